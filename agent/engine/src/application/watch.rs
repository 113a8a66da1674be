//! Reads the messages of one flow.

use std::sync::Arc;

use pidflow_schema::record::{Application, ApplicationLatency, ApplicationProtocol as Kind, Dns, Http, Protocol};

use super::dns::{self, DnsMessage, Waiting};
use super::exchanges::{self, Exchanges};
use super::message::Message;
use super::piece::Piece;
use super::quic::Initials;
use super::reading::Reading;
use super::service::ServiceMessage;
use super::signature;
use super::streams::Streams;
use super::tls::{ClientHello, Follows, ServerHello};
use super::vpn::{self, Vpn};
use crate::texts::Texts;

/// Size of the two reference counts of a shared value, bytes.
const SHARED: usize = 2 * size_of::<usize>();
/// After this many payloads, a flow that is not understood yet is left alone.
const MAX_PIECES: u8 = 32;
/// Ports by which variants of DNS are distinguished.
const MDNS_PORT: u16 = 5353;
const LLMNR_PORT: u16 = 5355;
const DNS_PORT: u16 = 53;

/// What the messages of a flow have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    application: Option<Arc<Application>>,
    /// None before the first payload, and when no more is expected.
    state: Option<Box<State>>,
    /// None before the first request of HTTP/1.
    exchanges: Option<Box<Exchanges>>,
    pieces: u8,
    has_client_hello: bool,
    /// The server's hello was read, and its certificate may follow.
    awaits_certificate: bool,
    /// Whether there are texts that no other flow shares yet.
    has_new_texts: bool,
}

/// What is needed to read the next messages.
#[derive(Debug)]
enum State {
    Streams(Streams),
    Dns(Waiting),
    Quic(Initials),
    Vpn(Vpn),
}

impl Watch {
    /// What is known of the application.
    pub(crate) const fn application(&self) -> Option<&Arc<Application>> {
        self.application.as_ref()
    }

    /// The latencies of requests since the last call.
    pub(crate) fn take_latency(&mut self) -> Option<ApplicationLatency> {
        self.exchanges.as_mut()?.take()
    }

    /// Whether more payloads are of use.
    fn is_over(&self) -> bool {
        self.pieces > 0 && self.state.is_none()
    }

    /// Reads a payload. Returns a response of DNS to a query that was seen.
    pub(crate) fn see(&mut self, piece: &Piece<'_>) -> Option<DnsMessage> {
        if piece.protocol == Protocol::TCP && self.allows(Kind::Http) {
            exchanges::note(&mut self.exchanges, piece);
        }
        if self.is_over() {
            return None;
        }
        self.pieces = self.pieces.saturating_add(1);
        let state = &mut **self.state.get_or_insert_with(|| Box::new(State::begin(piece)));
        if matches!(state, State::Vpn(_)) && !is_of_vpn(piece) {
            *state = State::Dns(Waiting::default());
        }
        let found = match state {
            State::Dns(_) => return self.dns_bytes(piece),
            State::Vpn(vpn) => Reading::of(vpn.see(piece)).map(Found::Vpn),
            State::Quic(initials) => Reading::of(initials.read(piece.bytes)).map(Found::Quic),
            State::Streams(streams) => {
                let known = self.application.as_ref().map(|known| known.protocol);
                let (reading, position) = streams.read(piece, known);
                reading.map(|message| Found::Message(message, position))
            }
        };
        let answer = match found {
            Reading::Found(Found::Message(message, position)) => self.take_in(message, &Piece { position, ..*piece }),
            Reading::Found(Found::Quic(hello)) => {
                self.client_hello(hello, Kind::Quic);
                None
            }
            Reading::Found(Found::Vpn(kind)) => {
                self.learn(kind);
                None
            }
            Reading::Incomplete | Reading::Other => None,
        };
        let goes_on = matches!(self.state.as_deref(), Some(State::Dns(_)));
        if !goes_on && (self.is_understood() || self.pieces >= MAX_PIECES) {
            self.state = None;
        }
        answer
    }

    fn take_in(&mut self, message: Message, piece: &Piece<'_>) -> Option<DnsMessage> {
        match message {
            Message::ClientHello(hello) if self.allows(Kind::Tls) => self.client_hello(hello, Kind::Tls),
            Message::ServerHello(hello) if self.allows(Kind::Tls) => self.server_hello(&hello),
            Message::Request(request) if self.allows(Kind::Http) && self.may_begin(piece) => self.request(request),
            Message::Response(status) if self.allows(Kind::Http) && self.may_begin(piece) => self.response(status),
            Message::SshBanner if self.allows(Kind::Ssh) && self.may_begin(piece) => {
                self.learn(Kind::Ssh);
            }
            Message::Dns(message) if self.application.is_none() && self.may_begin(piece) => {
                self.state = Some(Box::new(State::Dns(Waiting::default())));
                return self.dns(message, piece);
            }
            Message::Service(message) if self.allows(message.kind) && self.may_begin(piece) => {
                self.service(&message, piece.is_from_high);
            }
            _ => {}
        }
        None
    }

    /// Notes a message of a database or broker.
    fn service(&mut self, message: &ServiceMessage, is_from_high: bool) {
        let request = match (self.state.as_deref_mut(), message.numbers) {
            (_, None) => message.request,
            (Some(State::Streams(streams)), Some(numbers)) => {
                match streams.pair(numbers, message.request, is_from_high) {
                    Some(request) => Some(request),
                    None => return,
                }
            }
            _ => return,
        };
        let known = self.learn(message.kind);
        if let Some(request) = request.filter(|_| known.request.is_empty()) {
            known.request = request.into();
        }
    }

    /// Whether a message of this protocol fits to what is known. A proxy's tunnel begins with HTTP and goes on with TLS, and so do some
    /// databases' connections.
    fn allows(&self, kind: Kind) -> bool {
        self.application
            .as_ref()
            .is_none_or(|known| known.protocol == kind || (kind == Kind::Tls && may_become_tls(known)))
    }

    /// Whether a message that is not proven by itself may begin with this payload: it is the first one of its direction, or this
    /// is unknown, or the protocol is known already.
    fn may_begin(&self, piece: &Piece<'_>) -> bool {
        self.application.is_some() || piece.position.is_none_or(|position| position == 0)
    }

    /// Whether nothing more is expected.
    fn is_understood(&self) -> bool {
        let Some(known) = &self.application else { return false };
        let has_tls = self.has_client_hello
            && !self.awaits_certificate
            && known.tls.as_ref().is_some_and(|tls| tls.version.is_some());
        let has_http = known.http.as_ref().is_some_and(|http| http.status.is_some() && !http.method.is_empty());
        let is_named = matches!(
            known.protocol,
            Kind::Ssh | Kind::WireGuard | Kind::OpenVpn | Kind::Ipsec | Kind::Amqp | Kind::Mqtt
        );
        is_named || has_tls || !known.request.is_empty() || (has_http && !is_tunnel(known))
    }

    fn learn(&mut self, kind: Kind) -> &mut Application {
        self.has_new_texts = true;
        Arc::make_mut(self.application.get_or_insert_with(|| Arc::new(Application::of(kind))))
    }

    fn client_hello(&mut self, hello: ClientHello, kind: Kind) {
        self.has_client_hello = true;
        let tls = self.learn(kind).tls.get_or_insert_default();
        tls.server_name = hello.server_name;
        tls.fingerprint = hello.fingerprint;
        if tls.alpn.is_empty() {
            tls.alpn = hello.alpn;
        }
        if kind == Kind::Quic {
            // RFC 9001 section 4.2: QUIC has TLS 1.3 or later, and there is no later one.
            tls.version = Some(0x0304);
        }
    }

    fn server_hello(&mut self, hello: &ServerHello) {
        let tls = self.learn(Kind::Tls).tls.get_or_insert_default();
        tls.version = Some(hello.version);
        if let Follows::Read(certificate) = &hello.certificate {
            tls.certificate = Some(Arc::clone(certificate));
        }
        if !hello.alpn.is_empty() {
            tls.alpn = Arc::clone(&hello.alpn);
        }
        self.awaits_certificate = hello.certificate == Follows::Pending;
    }

    fn request(&mut self, request: Http) {
        let http = self.learn(Kind::Http).http.get_or_insert_default();
        if http.method.is_empty() {
            **http = Http { status: http.status, ..request };
        }
    }

    /// Notes a response. Interim ones (1xx) do not count, except for the one that switches protocols (101).
    fn response(&mut self, status: u16) {
        let http = self.learn(Kind::Http).http.get_or_insert_default();
        if status >= 200 || status == 101 {
            http.status.get_or_insert(status);
        }
    }

    fn dns_bytes(&mut self, piece: &Piece<'_>) -> Option<DnsMessage> {
        let is_well_known = piece.ports.iter().any(|port| [DNS_PORT, MDNS_PORT, LLMNR_PORT].contains(port));
        let message = match piece.protocol {
            Protocol::TCP => dns::read(piece.bytes.get(2..)?, false),
            _ => dns::read(piece.bytes, is_well_known),
        };
        if message.is_none() && self.application.is_none() && self.pieces >= MAX_PIECES {
            self.state = None;
        }
        self.dns(message?, piece)
    }

    /// Notes a message of DNS, and returns it if it is the response to a query that was seen.
    fn dns(&mut self, message: DnsMessage, piece: &Piece<'_>) -> Option<DnsMessage> {
        let kind = dns_kind(piece.ports);
        let dns = self.learn(kind).dns.get_or_insert_with(|| {
            Box::new(Dns { query: Arc::clone(&message.name), query_type: message.query_type, response: None })
        });
        let is_first = dns.query.eq_ignore_ascii_case(&message.name) && dns.query_type == message.query_type;
        if let Some(answered) = message.response.as_ref().filter(|_| is_first && dns.response.is_none()) {
            dns.response = Some(answered.response());
        }
        let Some(State::Dns(waiting)) = self.state.as_deref_mut() else { return None };
        if message.response.is_none() {
            waiting.add(&message);
            return None;
        }
        (waiting.answers(&message) && kind == Kind::Dns).then_some(message)
    }

    /// Replaces texts by those that other flows have.
    pub(crate) fn share_texts(&mut self, texts: &mut Texts) {
        if std::mem::take(&mut self.has_new_texts)
            && let Some(application) = &mut self.application
        {
            Arc::make_mut(application).texts_mut().for_each(|text| *text = texts.share(text, usize::MAX));
        }
    }

    /// Memory beside its own and without texts, bytes.
    pub(crate) fn kept_bytes(&self) -> usize {
        let more = match self.state.as_deref() {
            None => 0,
            Some(State::Streams(streams)) => streams.kept_bytes(),
            Some(State::Dns(_) | State::Vpn(_)) => 0,
            Some(State::Quic(initials)) => initials.kept_bytes(),
        };
        let state = self.state.as_deref().map_or(0, size_of_val) + more;
        let exchanges = self.exchanges.as_deref().map_or(0, size_of_val);
        let application = self.application.as_deref().map_or(0, |known| known.kept_bytes_without_texts() + SHARED);
        state + exchanges + application
    }
}

/// What a payload contained.
enum Found {
    /// A message, and the position of its first byte like [`Piece::position`].
    Message(Message, Option<u32>),
    Quic(ClientHello),
    Vpn(Kind),
}

impl State {
    fn begin(piece: &Piece<'_>) -> Self {
        match (piece.protocol, piece.bytes) {
            (Protocol::TCP, _) => Self::Streams(Streams::default()),
            (_, bytes) if signature::is_quic_initial(bytes) => Self::Quic(Initials::default()),
            _ if is_of_vpn(piece) => Self::Vpn(Vpn::default()),
            _ => Self::Dns(Waiting::default()),
        }
    }
}

/// Whether the payload may be of an encrypted tunnel.
fn is_of_vpn(piece: &Piece<'_>) -> bool {
    piece.protocol == vpn::ESP || vpn::octets(piece.ports, piece.bytes).is_some()
}

/// Whether the client asked a proxy for a tunnel (RFC 9110 section 9.3.6).
fn is_tunnel(known: &Application) -> bool {
    known.http.as_ref().is_some_and(|http| &*http.method == "CONNECT")
}

/// Whether the connection may go on with TLS.
fn may_become_tls(known: &Application) -> bool {
    is_tunnel(known) || matches!(known.protocol, Kind::PostgreSql | Kind::MySql)
}

/// Multicast DNS and LLMNR have DNS's messages.
fn dns_kind(ports: [u16; 2]) -> Kind {
    match ports {
        ports if ports.contains(&MDNS_PORT) => Kind::Mdns,
        ports if ports.contains(&LLMNR_PORT) => Kind::Llmnr,
        _ => Kind::Dns,
    }
}
