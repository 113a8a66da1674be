//! The hello messages of TLS, from records or from QUIC.

use std::borrow::Cow;
use std::sync::Arc;

use tls_parser::{
    SNIType, TlsExtension, parse_tls_extension_alpn_content, parse_tls_extension_sni_content,
    parse_tls_extension_unknown, parse_tls_handshake_client_hello, parse_tls_handshake_server_hello,
};

use pidflow_schema::record::Certificate;

use super::MAX_MESSAGE;
use super::certificate;
use super::ja4::{Carrier, Offer};
use super::reading::Reading;
use super::text::visible;

const HANDSHAKE_RECORD: u8 = 22;
const TLS_1_2: u16 = 0x0303;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// Types of extensions (RFC 6066, RFC 7301, RFC 8446 section 4.2.1).
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const SIGNATURE_ALGORITHMS: u16 = 13;

/// A hello message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hello {
    Client(ClientHello),
    Server(ServerHello),
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ClientHello {
    /// Empty: none.
    pub(super) server_name: Arc<str>,
    /// Joined by commas; empty: none.
    pub(super) alpn: Arc<str>,
    /// JA4.
    pub(super) fingerprint: Arc<str>,
}

/// A certificate after a ServerHello.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Follows {
    /// None follows, or it is not in clear, or it cannot be read.
    #[default]
    Nothing,
    /// It may follow in the next segments.
    Pending,
    /// This one.
    Read(Arc<Certificate>),
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ServerHello {
    /// The chosen version.
    pub(super) version: u16,
    /// The chosen application protocol; empty: it does not say so in clear.
    pub(super) alpn: Arc<str>,
    /// The certificate that follows.
    pub(super) certificate: Follows,
}

/// Reads the hello message in the records at the start of a stream.
pub(super) fn read(bytes: &[u8]) -> Reading<Hello> {
    match handshake(bytes, message_octets) {
        Reading::Found(message) => Reading::of(hello(&message).map(|hello| with_certificate(hello, bytes))),
        Reading::Incomplete => Reading::Incomplete,
        Reading::Other => Reading::Other,
    }
}

/// The hello with the certificate after it. From TLS 1.3 on, it is encrypted.
fn with_certificate(hello: Hello, bytes: &[u8]) -> Hello {
    let Hello::Server(hello) = hello else { return hello };
    if hello.version > TLS_1_2 {
        return Hello::Server(hello);
    }
    let certificate = match handshake(bytes, octets_with_certificate) {
        Reading::Found(messages) => {
            let first = message_octets(&messages).unwrap_or_default();
            let read = messages.get(first..).and_then(certificate::read);
            read.map_or(Follows::Nothing, Follows::Read)
        }
        Reading::Incomplete => Follows::Pending,
        Reading::Other => Follows::Nothing,
    };
    Hello::Server(ServerHello { certificate, ..hello })
}

/// Length of a ServerHello, and of the message after it up to the end of the first certificate; none: the bytes do not tell yet.
fn octets_with_certificate(messages: &[u8]) -> Option<usize> {
    let first = message_octets(messages)?;
    certificate::octets(messages.get(first..)?).map(|more| first + more)
}

/// How much is read of what a server sends for its certificate if the first segment does not contain it, bytes.
const MAX_CERTIFICATE: usize = MAX_MESSAGE / 2;

/// How many bytes of a server's first records are needed to read its hello and its certificate; none: only its hello is of use, or it is
/// not whole yet.
pub(super) fn octets_of_server(bytes: &[u8]) -> Option<usize> {
    let Reading::Found(Hello::Server(hello)) = read(bytes) else { return None };
    match hello.certificate {
        Follows::Nothing => None,
        Follows::Pending => Some(MAX_CERTIFICATE),
        Follows::Read(_) => Some(bytes.len().min(MAX_MESSAGE)),
    }
}

/// The bytes behind a warning, as servers send it before their hello if they do not know the name that the client asked for (RFC 6066
/// section 3); none: there is no warning.
pub(super) const fn behind_warning(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [21, 3, 0..=4, 0, 2, 1, _, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// The beginning of the handshake in the records up to where `needed` says that it is enough, with headers of messages (RFC 8446 section
/// 5.1: a message may span several records).
fn handshake(bytes: &[u8], needed: fn(&[u8]) -> Option<usize>) -> Reading<Cow<'_, [u8]>> {
    let (mut message, mut rest) = (Cow::Borrowed(&[][..]), bytes);
    loop {
        let [HANDSHAKE_RECORD, 3, _, high, low, after @ ..] = rest else {
            return if rest.len() < 5 { Reading::Incomplete } else { Reading::Other };
        };
        let octets = usize::from(u16::from_be_bytes([*high, *low]));
        let content = after.get(..octets.min(after.len())).unwrap_or_default();
        if message.is_empty() {
            message = Cow::Borrowed(content)
        } else {
            message.to_mut().extend_from_slice(content)
        }
        match needed(&message) {
            Some(whole) if whole > MAX_MESSAGE => return Reading::Other,
            Some(whole) if whole <= message.len() => return Reading::Found(message),
            _ if after.len() < octets => return Reading::Incomplete,
            _ if octets == 0 => return Reading::Other,
            _ => rest = after.get(octets..).unwrap_or_default(),
        }
    }
}

/// Length of a handshake message with its header of four bytes.
fn message_octets(message: &[u8]) -> Option<usize> {
    let [_, long, high, low, ..] = message else { return None };
    Some(4 + (usize::from(*long) << 16 | usize::from(*high) << 8 | usize::from(*low)))
}

fn hello(message: &[u8]) -> Option<Hello> {
    match *message.first()? {
        CLIENT_HELLO => client_hello(message, Carrier::Tcp).map(Hello::Client),
        SERVER_HELLO => server_hello(message).map(Hello::Server),
        _ => None,
    }
}

/// Reads a ClientHello with its header of four bytes.
pub(super) fn client_hello(message: &[u8], carrier: Carrier) -> Option<ClientHello> {
    let whole = message_octets(message)?;
    let body = message.get(4..whole).filter(|_| message.first() == Some(&CLIENT_HELLO))?;
    let (rest, contents) = parse_tls_handshake_client_hello(body).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut hello = ClientHello::default();
    let ciphers = contents.ciphers.iter().map(|cipher| cipher.0).collect();
    let mut offer = Offer { version: contents.version.0, ciphers, ..Offer::default() };
    for (kind, data) in extensions(contents.ext) {
        offer.extensions.push(kind);
        match kind {
            SERVER_NAME => hello.server_name = host_name(data)?,
            ALPN => {
                hello.alpn = protocols(data)?;
                offer.alpn = first_protocol(data);
            }
            SUPPORTED_VERSIONS => offer.versions = numbers(data.get(1..).unwrap_or_default()),
            SIGNATURE_ALGORITHMS => offer.signature_algorithms = numbers(data.get(2..).unwrap_or_default()),
            _ => {}
        }
    }
    hello.fingerprint = offer.ja4(carrier).into();
    Some(hello)
}

fn server_hello(message: &[u8]) -> Option<ServerHello> {
    let body = message.get(4..message_octets(message)?)?;
    let (_, contents) = parse_tls_handshake_server_hello(body).ok()?;
    let mut hello = ServerHello { version: contents.version.0, ..ServerHello::default() };
    for (kind, data) in extensions(contents.ext) {
        match (kind, data) {
            (SUPPORTED_VERSIONS, [high, low]) => hello.version = u16::from_be_bytes([*high, *low]),
            (ALPN, _) => hello.alpn = protocols(data)?,
            _ => {}
        }
    }
    Some(hello)
}

/// Types and contents of extensions. Only those that are needed are parsed further, so that an unusual one hides no name.
fn extensions(mut rest: Option<&[u8]>) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let Ok((after, TlsExtension::Unknown(kind, data))) = parse_tls_extension_unknown(rest?) else { return None };
        rest = Some(after);
        Some((kind.0, data))
    })
}

/// RFC 6066 section 3: at most one name of each type.
fn host_name(data: &[u8]) -> Option<Arc<str>> {
    let (_, TlsExtension::SNI(names)) = parse_tls_extension_sni_content(data).ok()? else { return None };
    let name = names.iter().find(|(kind, _)| *kind == SNIType::HostName);
    Some(name.map(|(_, name)| visible(name)).unwrap_or_default())
}

/// RFC 7301 section 3.1: the length of the list, then each protocol with its length.
fn first_protocol(data: &[u8]) -> Option<&[u8]> {
    let [_, _, octets, names @ ..] = data else { return None };
    names.get(..usize::from(*octets))
}

/// A list of numbers of two bytes each.
fn numbers(data: &[u8]) -> Vec<u16> {
    data.as_chunks().0.iter().copied().map(u16::from_be_bytes).collect()
}

fn protocols(data: &[u8]) -> Option<Arc<str>> {
    let (_, TlsExtension::ALPN(protocols)) = parse_tls_extension_alpn_content(data).ok()? else { return None };
    Some(visible(&protocols.join(&b',')))
}
