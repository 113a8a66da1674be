//! PostgreSQL's protocol, version 3 (its documentation, "Frontend/Backend Protocol").

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::{ServiceMessage, is_all, sql};

/// Requests in front of the session: for TLS, for GSSAPI, and to cancel a query.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// Versions of the protocol.
const VERSION_3_0: u32 = 0x0003_0000;
const VERSION_3_2: u32 = 0x0003_0002;
/// The greatest startup message of a server.
const MAX_STARTUP: u32 = 10_000;

/// Whether the payload is one message of a client, by its lengths.
#[inline]
pub(super) fn fits(data: &[u8]) -> bool {
    matches!(
        *data,
        [0, 0, _, _, 0, 3, 0, 0 | 2, ..] | [0, 0, 0, 8 | 16, 4, 0xd2, 0x16, _, ..] | [b'Q' | b'P', 0, _, _, _, ..]
    )
}

/// Reads a client's message.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    match data {
        [0, _, _, _, ..] => startup(data),
        [b'Q' | b'P', ..] => query(data),
        _ => None,
    }
}

/// Length and code; a version is followed by names and values, each ended by a zero, of which the last name is empty.
fn startup(data: &[u8]) -> Option<ServiceMessage> {
    let (length, rest) = data.split_first_chunk().map(|(length, rest)| (u32::from_be_bytes(*length), rest))?;
    let (code, rest) = rest.split_first_chunk().map(|(code, rest)| (u32::from_be_bytes(*code), rest))?;
    let request = match code {
        SSL_REQUEST | GSS_REQUEST if length == 8 => None,
        CANCEL_REQUEST if length == 16 => Some("CANCEL"),
        VERSION_3_0 | VERSION_3_2 if length <= MAX_STARTUP && rest.starts_with(b"user\0") => None,
        _ => return None,
    };
    is_all(length as usize, data).then_some(ServiceMessage::of(Kind::PostgreSql, request))
}

/// A simple query, or the first message of the extended protocol, where the statement's name stands in front. More messages may
/// follow that one.
fn query(data: &[u8]) -> Option<ServiceMessage> {
    let (kind, rest) = data.split_first()?;
    let (length, body) = rest.split_first_chunk().map(|(length, body)| (u32::from_be_bytes(*length), body))?;
    let statement = if *kind == b'P' { body.splitn(2, |byte| *byte == 0).nth(1)? } else { body };
    let verb = sql::verb(statement)?;
    let octets = 1 + length as usize;
    let is_whole = if *kind == b'P' { octets <= 1 << 20 } else { is_all(octets, data) };
    is_whole.then_some(ServiceMessage::of(Kind::PostgreSql, Some(verb)))
}
