//! Protocols of databases and message brokers, recognised by their requests.
//!
//! Only the kind of the first request is kept, a word from a fixed list of the protocol: never keys, values, SQL or credentials. A
//! message counts only if its lengths fit to its packet, so each is read from one packet; what follows the first bytes is not needed.

mod amqp;
mod kafka;
mod mongodb;
mod mqtt;
mod mysql;
mod nats;
mod postgresql;
mod redis;
mod sql;
#[cfg(test)]
mod tests;

use pidflow_schema::record::ApplicationProtocol as Kind;

/// How much of a packet is read, bytes: enough for the words that are looked for.
pub(super) const MAX_HEAD: usize = 512;

/// What one packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceMessage {
    pub(super) kind: Kind,
    /// What is asked for; none: the message is no request, or its kind is not known.
    pub(super) request: Option<&'static str>,
    /// The message proves nothing alone: a response must repeat the number of a request.
    pub(super) numbers: Option<Numbers>,
}

/// Numbers by which a request and its response are recognised together. A response may look like a request too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// That of the message as a request; none: it cannot be one.
    pub(super) as_request: Option<u32>,
    /// That of the message as a response.
    pub(super) as_response: u32,
}

impl ServiceMessage {
    const fn of(kind: Kind, request: Option<&'static str>) -> Self {
        Self { kind, request, numbers: None }
    }
}

/// The number of bytes that are worth reading of a TCP payload; none: no message of these protocols is here.
#[inline]
pub(super) fn octets(data: &[u8]) -> Option<usize> {
    let may_be = matches!(*data, [_, _, _, 0, _, ..] | [0 | 0x10 | b'*' | b'P' | b'Q', _, _, _, _, ..]);
    if may_be { octets_of(data) } else { None }
}

/// Not inlined: most packets are of none of them.
#[inline(never)]
fn octets_of(data: &[u8]) -> Option<usize> {
    let may_be = match *data {
        [b'*', b'1'..=b'9', ..] => true,
        [0, ..] if postgresql::fits(data) || kafka::fits(data) => true,
        [b'Q' | b'P', 0, ..] if postgresql::fits(data) => true,
        [0x10, ..] if mqtt::fits(data) => true,
        [_, _, _, 0, ..] => mysql::fits(data) || mongodb::fits(data),
        _ => false,
    };
    may_be.then(|| head_octets(data))
}

/// The bytes that are read of a payload.
pub(super) fn head_octets(data: &[u8]) -> usize {
    data.len().min(MAX_HEAD)
}

/// Reads the message at the start of a packet's payload, of which at least [`MAX_HEAD`] bytes or all are given. With `known`, the
/// protocol of the connection is known.
pub(super) fn read(data: &[u8], known: Option<Kind>) -> Option<ServiceMessage> {
    match known {
        Some(Kind::Redis) => redis::read(data),
        Some(Kind::PostgreSql) => postgresql::read(data),
        Some(Kind::MySql) => mysql::read(data),
        Some(Kind::MongoDb) => mongodb::read(data),
        Some(Kind::Nats) => nats::request(data),
        Some(_) => None,
        None => {
            [redis::read, postgresql::read, mysql::read, mongodb::read, kafka::read, amqp::read, mqtt::read, nats::read]
                .iter()
                .find_map(|read| read(data))
        }
    }
}

/// Whether a message of `octets` bytes is the whole payload, of which the first bytes are given.
const fn is_all(octets: usize, given: &[u8]) -> bool {
    given.len() == octets || (given.len() == MAX_HEAD && octets > MAX_HEAD)
}

/// The word of the list that these bytes are, in any case. The list is in order.
fn word(list: &[&'static str], bytes: &[u8]) -> Option<&'static str> {
    let order = |known: &&str| {
        let theirs = bytes.iter().map(u8::to_ascii_uppercase);
        known.bytes().map(|byte| byte.to_ascii_uppercase()).cmp(theirs)
    };
    list.binary_search_by(order).ok().and_then(|at| list.get(at)).copied()
}
