//! What the first payload bytes of a flow show: the application protocol, and the names in it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Certificate;

/// Application protocols that are recognised by the content of packets, never by a port alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum ApplicationProtocol {
    /// Domain Name System (RFC 1035), over UDP or TCP.
    #[default]
    Dns,
    /// Multicast DNS (RFC 6762): DNS messages between port 5353 and a multicast group.
    Mdns,
    /// Link-Local Multicast Name Resolution (RFC 4795): DNS messages with port 5355.
    Llmnr,
    /// Hypertext Transfer Protocol, version 1 (RFC 9112), in clear.
    Http,
    /// Transport Layer Security (RFC 8446, RFC 5246).
    Tls,
    /// QUIC, versions 1 and 2 (RFC 9000, RFC 9369).
    Quic,
    /// Secure Shell (RFC 4253).
    Ssh,
    /// WireGuard, a VPN over UDP.
    WireGuard,
    /// OpenVPN over UDP.
    OpenVpn,
    /// IPsec: ESP (RFC 4303), also in UDP (RFC 3948), and IKE (RFC 7296).
    Ipsec,
    /// Redis' protocol RESP, also of Valkey.
    Redis,
    /// PostgreSQL's protocol, version 3.
    PostgreSql,
    /// MySQL's and MariaDB's protocol.
    MySql,
    /// Apache Kafka's protocol.
    Kafka,
    /// MongoDB's wire protocol.
    MongoDb,
    /// Advanced Message Queuing Protocol, 0-9-1 and 1.0.
    Amqp,
    /// MQTT 3.1, 3.1.1 and 5.
    Mqtt,
    /// NATS.
    Nats,
}

impl ApplicationProtocol {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Dns,
        Self::Mdns,
        Self::Llmnr,
        Self::Http,
        Self::Tls,
        Self::Quic,
        Self::Ssh,
        Self::WireGuard,
        Self::OpenVpn,
        Self::Ipsec,
        Self::Redis,
        Self::PostgreSql,
        Self::MySql,
        Self::Kafka,
        Self::MongoDb,
        Self::Amqp,
        Self::Mqtt,
        Self::Nats,
    ];

    /// The name in nDPI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Mdns => "MDNS",
            Self::Llmnr => "LLMNR",
            Self::Http => "HTTP",
            Self::Tls => "TLS",
            Self::Quic => "QUIC",
            Self::Ssh => "SSH",
            Self::WireGuard => "WireGuard",
            Self::OpenVpn => "OpenVPN",
            Self::Ipsec => "IPSec",
            Self::Redis => "Redis",
            Self::PostgreSql => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Kafka => "Kafka",
            Self::MongoDb => "MongoDB",
            Self::Amqp => "AMQP",
            Self::Mqtt => "MQTT",
            Self::Nats => "Nats",
        }
    }

    /// The same in lower case, as OpenTelemetry wants names of protocols.
    #[must_use]
    pub const fn lower_name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Ssh => "ssh",
            Self::WireGuard => "wireguard",
            Self::OpenVpn => "openvpn",
            Self::Ipsec => "ipsec",
            Self::Redis => "redis",
            Self::PostgreSql => "postgresql",
            Self::MySql => "mysql",
            Self::Kafka => "kafka",
            Self::MongoDb => "mongodb",
            Self::Amqp => "amqp",
            Self::Mqtt => "mqtt",
            Self::Nats => "nats",
        }
    }

    /// The number in nDPI (`ndpi_protocol_ids.h`).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Dns => 5,
            Self::Http => 7,
            Self::Mdns => 8,
            Self::Ipsec => 79,
            Self::Tls => 91,
            Self::Ssh => 92,
            Self::Llmnr => 154,
            Self::OpenVpn => 159,
            Self::Quic => 188,
            Self::WireGuard => 206,
            Self::Redis => 182,
            Self::PostgreSql => 19,
            Self::MySql => 20,
            Self::Kafka => 377,
            Self::MongoDb => 60,
            Self::Amqp => 192,
            Self::Mqtt => 222,
            Self::Nats => 68,
        }
    }
}

/// The application protocol of a flow, and what its first messages say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Application {
    /// The protocol.
    pub protocol: ApplicationProtocol,
    /// The handshake of TLS, alone or in QUIC; none: not seen.
    pub tls: Option<Box<Tls>>,
    /// The first request and response of HTTP; none: not seen.
    pub http: Option<Box<Http>>,
    /// The first query of DNS; none: not seen.
    pub dns: Option<Box<Dns>>,
    /// Kind of the first request to a database or broker, a word of its protocol such as `GET` or `SELECT`; empty: not seen.
    pub request: Arc<str>,
}

impl Application {
    /// Memory that it keeps, bytes, with all its texts; those that several flows share count for each.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        let Self { protocol: _, tls, http, dns, request } = self;
        let tls = tls.as_deref().map_or(0, |tls| {
            size_of::<Tls>() + tls.server_name.len() + tls.alpn.len() + tls.fingerprint.len() + certificate_bytes(tls)
        });
        let http = http.as_deref().map_or(0, |http| {
            size_of::<Http>() + http.method.len() + http.host.len() + http.path.len() + http.user_agent.len()
        });
        let addresses = |dns: &Dns| dns.response.as_ref().map_or(0, |response| response.addresses.len());
        let dns = dns.as_deref().map_or(0, |dns| size_of::<Dns>() + dns.query.len() + addresses(dns));
        size_of::<Self>() + tls + http + dns + request.len()
    }

    /// Memory that it keeps without its texts, bytes.
    #[must_use]
    pub fn kept_bytes_without_texts(&self) -> usize {
        let Self { protocol: _, tls, http, dns, request: _ } = self;
        let boxes = [
            tls.as_deref().map(|tls| size_of_val(tls) + certificate_bytes(tls)),
            http.as_deref().map(size_of_val),
            dns.as_deref().map(size_of_val),
        ];
        size_of::<Self>() + boxes.into_iter().flatten().sum::<usize>()
    }

    /// All its texts.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let Self { protocol: _, tls, http, dns, request } = self;
        let tls = tls
            .as_deref_mut()
            .map(|Tls { server_name, alpn, version: _, fingerprint, certificate: _ }| [server_name, alpn, fingerprint]);
        let http = http
            .as_deref_mut()
            .map(|Http { method, host, path, status: _, user_agent }| [method, host, path, user_agent]);
        let dns = dns.as_deref_mut().map(|Dns { query, query_type: _, response }| {
            [Some(query), response.as_mut().map(|response| &mut response.addresses)]
        });
        let dns = dns.into_iter().flatten().flatten();
        tls.into_iter().flatten().chain(http.into_iter().flatten()).chain(dns).chain([request])
    }

    /// The protocol alone.
    #[must_use]
    pub fn of(protocol: ApplicationProtocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// The server's name according to the flow's own packets: of TLS, or of HTTP without the port.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        let tls = self.tls.as_deref().map(|tls| &*tls.server_name).filter(|name| !name.is_empty());
        tls.or_else(|| {
            let host = &*self.http.as_deref()?.host;
            let with_port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            Some(with_port.map_or(host, |(name, _)| name)).filter(|name| !name.is_empty())
        })
    }
}

/// Memory of its certificate, bytes. Equal ones of several flows count for each.
fn certificate_bytes(tls: &Tls) -> usize {
    let texts = |certificate: &Certificate| certificate.texts().iter().map(|text| text.len()).sum::<usize>();
    tls.certificate.as_deref().map_or(0, |certificate| size_of::<Certificate>() + texts(certificate))
}

/// What the handshake of TLS says in clear.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tls {
    /// The server name that the client asked for (SNI, RFC 6066); empty: none, or the ClientHello was not seen.
    pub server_name: Arc<str>,
    /// Application protocols (ALPN, RFC 7301) joined by commas: the one that the server chose if it says so in clear, otherwise
    /// those that the client offers; empty: none.
    pub alpn: Arc<str>,
    /// The version that the server chose, as on the wire (0x0303 is TLS 1.2); none: its answer was not seen.
    pub version: Option<u16>,
    /// JA4, the fingerprint of the client; empty: the ClientHello was not seen.
    pub fingerprint: Arc<str>,
    /// The server's certificate; none: it was not seen in clear.
    pub certificate: Option<Arc<Certificate>>,
}

impl Tls {
    /// The names of versions, with their numbers on the wire.
    const VERSIONS: [(u16, &'static str); 5] =
        [(0x0300, "ssl3"), (0x0301, "1.0"), (0x0302, "1.1"), (0x0303, "1.2"), (0x0304, "1.3")];

    /// The name of the version; none: unknown.
    #[must_use]
    pub fn version_name(&self) -> Option<&'static str> {
        let version = self.version?;
        Self::VERSIONS.iter().find(|(number, _)| *number == version).map(|(_, name)| *name)
    }

    /// The number of a version by its name.
    #[must_use]
    pub fn version_number(name: &str) -> Option<u16> {
        Self::VERSIONS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
    }
}

/// The first request and response of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Http {
    /// Method; empty: the request was not seen.
    pub method: Arc<str>,
    /// Host from the request's target or header, with the port if it names one; empty: none.
    pub host: Arc<str>,
    /// Path of the request's target, without query and fragment, with secrets masked; empty: none.
    pub path: Arc<str>,
    /// Status code of the first final response; none: not seen.
    pub status: Option<u16>,
    /// The client's program (field `User-Agent`); empty: none.
    pub user_agent: Arc<str>,
}

/// The first query of DNS, and its response.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dns {
    /// The name that was asked for, without the final dot.
    pub query: Arc<str>,
    /// Type of the query (IANA "DNS Resource Record Types"; 1 is A, 28 is AAAA).
    pub query_type: u16,
    /// The response; none: not seen.
    pub response: Option<DnsResponse>,
}

/// The response to a DNS query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DnsResponse {
    /// Response code in the header (IANA "DNS RCODEs"; 0 is no error, 3 is no such name).
    pub code: u8,
    /// Number of records in the answer section, as the header says.
    pub answers: u16,
    /// Addresses in the answer section joined by commas; empty: none.
    pub addresses: Arc<str>,
}
