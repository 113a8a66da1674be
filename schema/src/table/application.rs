//! Elements of the application protocol, and of the names that were asked for: ntop's, and pidflow's own where ntop has none.

use std::sync::Arc;

use crate::element::DataType as T;
use crate::element::Enterprise::{Ntop, Pidflow};
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{
    Application, ApplicationLatency, ApplicationProtocol, Certificate, Classification, Confidence, Dns, DnsResponse,
    FlowRecord, Http, ProcessEnd, Tls,
};
use crate::value::Value;

use super::build::row;
use super::process::text;
use super::write::{
    application_mut, certificate_mut, classification_mut, dns_mut, dns_response_mut, endpoint_mut, http_latency_mut,
    http_mut, set, tls_mut,
};

fn protocol(r: &FlowRecord) -> Option<ApplicationProtocol> {
    r.flow.application.as_deref().map(|application| application.protocol)
}

/// What nDPI says, if it says more than how certain it is.
fn named(r: &FlowRecord) -> Option<&Classification> {
    r.flow.classification.as_deref().filter(|known| known.is_known())
}

fn risky(r: &FlowRecord) -> Option<&Classification> {
    r.flow.classification.as_deref().filter(|known| known.risks != 0)
}

/// What nDPI says, unless it guesses where pidflow itself recognised the content.
fn best(r: &FlowRecord) -> Option<&Classification> {
    let by_ndpi = r.flow.classification.as_deref()?;
    (!by_ndpi.is_guess() || r.flow.application.is_none()).then_some(by_ndpi)
}

fn number(r: &FlowRecord) -> Option<u16> {
    let by_ndpi = best(r).map(|known| known.application).filter(|number| *number != 0);
    by_ndpi.or_else(|| protocol(r).map(ApplicationProtocol::number))
}

fn name(r: &FlowRecord) -> Option<Value<'_>> {
    best(r).and_then(|known| text(&known.name)).or_else(|| protocol(r).map(|own| Value::text(own.name())))
}

/// What pidflow itself recognises is always shown by the content.
fn confidence(r: &FlowRecord) -> Option<u8> {
    best(r).and_then(|known| known.confidence).or_else(|| protocol(r).map(|_| Confidence::Dpi as u8))
}

fn set_number(r: &mut FlowRecord, number: u16) {
    match ApplicationProtocol::ALL.into_iter().find(|own| own.number() == number) {
        Some(own) => application_mut(r).protocol = own,
        None => classification_mut(r).application = number,
    }
}

fn set_name(r: &mut FlowRecord, name: Arc<str>) {
    match ApplicationProtocol::ALL.into_iter().find(|own| own.name() == &*name) {
        Some(own) => application_mut(r).protocol = own,
        None => classification_mut(r).name = name,
    }
}

/// Nothing is to be noted of what reads the same without. A guess is nDPI's, also of a protocol that pidflow knows.
fn set_confidence(r: &mut FlowRecord, number: u8) {
    if confidence(r) == Some(number) {
        return;
    }
    let own = r.flow.application.take_if(|own| **own == Application::of(own.protocol));
    let known = classification_mut(r);
    known.confidence = Some(number);
    if let Some(own) = own {
        (known.application, known.name) = (own.protocol.number(), own.protocol.name().into());
    }
}

fn tls(r: &FlowRecord, of: fn(&Tls) -> &Arc<str>) -> Option<Value<'_>> {
    text(of(r.flow.application.as_deref()?.tls.as_deref()?))
}

fn certificate(r: &FlowRecord, of: fn(&Certificate) -> &Arc<str>) -> Option<Value<'_>> {
    text(of(r.flow.application.as_deref()?.tls.as_deref()?.certificate.as_deref()?))
}

fn http(r: &FlowRecord) -> Option<&Http> {
    r.flow.application.as_deref()?.http.as_deref()
}

fn http_text(r: &FlowRecord, of: fn(&Http) -> &Arc<str>) -> Option<Value<'_>> {
    text(of(http(r)?))
}

fn latency(r: &FlowRecord) -> Option<&ApplicationLatency> {
    r.flow.http_latency.as_deref()
}

fn mean(latency: &ApplicationLatency) -> u64 {
    latency.total_us.checked_div(latency.exchanges.into()).unwrap_or(0)
}

fn dns(r: &FlowRecord) -> Option<&Dns> {
    r.flow.application.as_deref()?.dns.as_deref()
}

fn response(r: &FlowRecord) -> Option<&DnsResponse> {
    dns(r)?.response.as_ref()
}

/// The name by which the other end's process asked for the address of this end.
fn asked_name(end: &ProcessEnd) -> Option<Value<'_>> {
    text(&end.endpoint.as_deref()?.name)
}

/// The elements of the application protocol.
pub(super) const APPLICATION: &[Element] = &[
    row("L7_PROTO", "l7Proto", (Ntop, 118), T::Unsigned16, |r| number(r).map(Into::into)).writes(|r, v| set(v.number(), |n| set_number(r, n)))
        .group(Group::Application).identifier()
        .doc("Number of the application protocol in nDPI; with `--ndpi on` of the application that it carries, if that is known: 5 DNS, 7 HTTP, 8 MDNS, 79 IPSec, 91 TLS, 92 SSH, 154 LLMNR, 159 OpenVPN, 188 QUIC, 206 WireGuard; 19 PostgreSQL, 20 MySQL, 60 MongoDB, 68 NATS, 182 Redis, 192 AMQP, 222 MQTT, 377 Kafka (ntop 118)."),
    row("L7_PROTO_NAME", "l7ProtoName", (Ntop, 119), T::String, name).writes(|r, v| set(v.shared_text(), |n| set_name(r, n)))
        .group(Group::Application).v9_text(16).otel("pidflow.flow.application.name")
        .doc("Application protocol with nDPI's name, with `--ndpi on` also the application that it carries (TLS.Google). How certain it is: L7_CONFIDENCE. pidflow itself recognises by the content of packets: DNS, MDNS, LLMNR, HTTP, TLS, QUIC, SSH, WireGuard, OpenVPN, IPSec, Redis, PostgreSQL, MySQL, Kafka, MongoDB, AMQP, MQTT, Nats (ntop 119)."),
    row("L7_CONFIDENCE", "l7Confidence", (Ntop, 560), T::Unsigned8, |r| confidence(r).map(Into::into)).writes(|r, v| set(v.number(), |n| set_confidence(r, n)))
        .group(Group::Application).identifier()
        .doc("How the application protocol was found, in the numbers of nDPI 4.2: 1 by the port, 2 by the address, 3 by other flows of the host, 4 by the content of packets. pidflow itself always: 4 (ntop 560)."),
    row("L7_CONFIDENCE_NAME", "l7ConfidenceName", (Pidflow, 230), T::String, |r| confidence(r).and_then(Confidence::of).map(|c| Value::text(c.name()))).writes(|r, v| set(v.named(&Confidence::ALL, Confidence::name), |c| set_confidence(r, c as u8)))
        .group(Group::Application).v9_text(16).otel("pidflow.flow.application.confidence")
        .doc("The same as text: match-by-port, match-by-ip, dpi-cache, dpi."),
    row("L7_MASTER_PROTO", "l7MasterProto", (Pidflow, 231), T::Unsigned16, |r| named(r).map(|c| c.master.into())).writes(|r, v| set(v.number(), |n| classification_mut(r).master = n))
        .group(Group::Classification).identifier()
        .doc("Number of the protocol in nDPI that carries the application of L7_PROTO; 0: none."),
    row("L7_PROTO_CATEGORY", "l7ProtoCategory", (Ntop, 501), T::String, |r| text(&named(r)?.category)).writes(|r, v| set(v.shared_text(), |n| classification_mut(r).category = n))
        .group(Group::Classification).v9_text(16).otel("pidflow.flow.application.category")
        .doc("Category of the application according to nDPI (ntop 501)."),
    row("L7_PROTO_BREED", "l7ProtoBreed", (Pidflow, 232), T::String, |r| text(&named(r)?.breed)).writes(|r, v| set(v.shared_text(), |n| classification_mut(r).breed = n))
        .group(Group::Classification).v9_text(16).otel("pidflow.flow.application.breed")
        .doc("Breed of the application according to nDPI: Safe, Acceptable, Fun, Unsafe, Potentially Dangerous, Dangerous, …"),
    row("L7_PROTO_RISK", "l7ProtoRisk", (Ntop, 509), T::Unsigned64, |r| risky(r).map(|c| c.risks.into())).writes(|r, v| set(v.number(), |n| classification_mut(r).risks = n))
        .group(Group::Risks).flags()
        .doc("Risks that nDPI found, bit n for risk n (ntop 509)."),
    row("L7_PROTO_RISK_NAME", "l7ProtoRiskName", (Ntop, 510), T::String, |r| text(&risky(r)?.risk_names)).writes(|r, v| set(v.shared_text(), |n| classification_mut(r).risk_names = n))
        .group(Group::Risks).v9_text(64).otel("pidflow.flow.application.risks")
        .doc("Their names joined by commas (ntop 510)."),
    row("L7_RISK_SCORE", "l7RiskScore", (Ntop, 527), T::Unsigned16, |r| risky(r).map(|c| c.risk_score.into())).writes(|r, v| set(v.number(), |n| classification_mut(r).risk_score = n))
        .group(Group::Risks).otel("pidflow.flow.application.risk_score")
        .doc("Sum of nDPI's scores of these risks (ntop 527)."),
    row("APPLICATION_PROTOCOL", "applicationProtocol", (Pidflow, 80), T::String, |r| protocol(r).map(|p| Value::text(p.lower_name()))).writes(|r, v| set(v.named(&ApplicationProtocol::ALL, ApplicationProtocol::lower_name), |p| application_mut(r).protocol = p))
        .group(Group::Application).not_in_v9().otel("network.protocol.name")
        .doc("Application protocol in lower case, as OpenTelemetry writes it."),
    row("APPLICATION_REQUEST", "applicationRequest", (Pidflow, 225), T::String, |r| text(&r.flow.application.as_deref()?.request)).writes(|r, v| set(v.shared_text(), |n| application_mut(r).request = n))
        .group(Group::ApplicationRequest).v9_text(16).otel("pidflow.flow.application.request")
        .doc("Kind of the first request to a database or broker: Redis' or MongoDB's command, SQL's verb, Kafka's or NATS' request. Never its arguments."),
    row("TLS_SERVER_NAME", "tlsServerName", (Ntop, 188), T::String, |r| tls(r, |t| &t.server_name)).writes(|r, v| set(v.shared_text(), |n| tls_mut(r).server_name = n))
        .group(Group::Tls).v9_text(64).aliases(&["SSL_SERVER_NAME"]).otel("tls.client.server_name")
        .doc("Server name that the client of TLS or QUIC asked for (SNI) (ntop 188)."),
    row("TLS_ALPN", "tlsAlpn", (Pidflow, 81), T::String, |r| tls(r, |t| &t.alpn)).writes(|r, v| set(v.shared_text(), |n| tls_mut(r).alpn = n))
        .group(Group::Tls).v9_text(16).otel("tls.next_protocol")
        .doc("Application protocols of TLS or QUIC (ALPN): the one that the server chose if it said so in clear, otherwise those offered by the client, joined by commas."),
    row("TLS_VERSION", "tlsVersion", (Pidflow, 82), T::String, |r| r.flow.application.as_deref()?.tls.as_deref()?.version_name().map(Value::text)).writes(|r, v| set(v.shared_text().and_then(|name| Tls::version_number(&name)), |n| tls_mut(r).version = Some(n)))
        .group(Group::Tls).v9_text(8).otel("tls.protocol.version")
        .doc("Version of TLS that the server chose: ssl3, 1.0, 1.1, 1.2, 1.3."),
    row("JA4C_HASH", "ja4cHash", (Ntop, 576), T::String, |r| tls(r, |t| &t.fingerprint)).writes(|r, v| set(v.shared_text(), |n| tls_mut(r).fingerprint = n))
        .group(Group::Tls).v9_text(37).aliases(&["JA4_CLIENT"]).otel("pidflow.flow.tls.client.ja4")
        .doc("JA4, the fingerprint of the client of TLS or QUIC: what its ClientHello offers (ntop 576)."),
    row("TLS_CERT_SUBJECT_DN", "tlsCertSubject", (Pidflow, 234), T::String, |r| certificate(r, |c| &c.subject)).writes(|r, v| set(v.shared_text(), |n| certificate_mut(r).subject = n))
        .group(Group::Certificate).v9_text(64).otel("tls.server.subject")
        .doc("Distinguished name of the subject of the server's certificate, where it is sent in clear (TLS 1.2 and earlier)."),
    row("TLS_CERT_ISSUER_DN", "tlsCertIssuer", (Pidflow, 235), T::String, |r| certificate(r, |c| &c.issuer)).writes(|r, v| set(v.shared_text(), |n| certificate_mut(r).issuer = n))
        .group(Group::Certificate).v9_text(64).otel("tls.server.issuer")
        .doc("Distinguished name of the issuer of that certificate."),
    row("TLS_CERT_SHA256", "tlsCertSha256", (Pidflow, 236), T::String, |r| certificate(r, |c| &c.fingerprint)).writes(|r, v| set(v.shared_text(), |n| certificate_mut(r).fingerprint = n))
        .group(Group::Certificate).v9_text(64).otel("tls.server.hash.sha256")
        .doc("SHA-256 of that certificate, 64 hexadecimal digits."),
    row("TLS_CERT_NOT_BEFORE", "tlsCertNotBefore", (Pidflow, 237), T::String, |r| certificate(r, |c| &c.not_before)).writes(|r, v| set(v.shared_text(), |n| certificate_mut(r).not_before = n))
        .group(Group::Certificate).v9_text(20).otel("tls.server.not_before")
        .doc("Beginning of its validity, as 2026-01-31T23:59:59Z."),
    row("TLS_CERT_NOT_AFTER", "tlsCertNotAfter", (Pidflow, 238), T::String, |r| certificate(r, |c| &c.not_after)).writes(|r, v| set(v.shared_text(), |n| certificate_mut(r).not_after = n))
        .group(Group::Certificate).v9_text(20).otel("tls.server.not_after")
        .doc("End of its validity."),
    row("HTTP_METHOD", "httpMethod", (Ntop, 360), T::String, |r| http_text(r, |h| &h.method)).writes(|r, v| set(v.shared_text(), |n| http_mut(r).method = n))
        .group(Group::Http).v9_text(8).otel("http.request.method")
        .doc("Method of the first HTTP request (ntop 360)."),
    row("HTTP_HOST", "httpHost", (Ntop, 187), T::String, |r| http_text(r, |h| &h.host)).writes(|r, v| set(v.shared_text(), |n| http_mut(r).host = n))
        .group(Group::Http).v9_text(64).otel("http.request.header.host")
        .doc("Host of the first HTTP request, with the port if it names one (ntop 187)."),
    row("HTTP_URL", "httpUrl", (Ntop, 180), T::String, |r| http_text(r, |h| &h.path)).writes(|r, v| set(v.shared_text(), |n| http_mut(r).path = n))
        .group(Group::Http).v9_text(64).otel("url.path")
        .doc("Path of the first HTTP request, with secrets masked; never its query or fragment (ntop 180)."),
    row("HTTP_RET_CODE", "httpRetCode", (Ntop, 181), T::Unsigned16, |r| http(r)?.status.map(Into::into)).writes(|r, v| set(v.number(), |n| http_mut(r).status = Some(n)))
        .group(Group::HttpStatus).identifier().otel("http.response.status_code")
        .doc("Status code of the first final HTTP response (ntop 181)."),
    row("HTTP_UA", "httpUserAgent", (Ntop, 183), T::String, |r| http_text(r, |h| &h.user_agent)).writes(|r, v| set(v.shared_text(), |n| http_mut(r).user_agent = n))
        .group(Group::Http).v9_text(64).aliases(&["HTTP_USER_AGENT"]).otel("user_agent.original")
        .doc("Program of the client, as it names itself in the first HTTP request (ntop 183)."),
    row("HTTP_REQUESTS", "httpRequests", (Pidflow, 226), T::Unsigned32, |r| latency(r).map(|l| l.exchanges.into())).writes(|r, v| set(v.number(), |n| http_latency_mut(r).exchanges = n))
        .group(Group::HttpLatency).unit(Unit::None, Semantics::DeltaCounter).otel("pidflow.flow.http.requests")
        .doc("Requests of HTTP/1 that were answered in the record; several that begin in one packet count once."),
    row("HTTP_LATENCY_AVG", "httpLatencyMean", (Pidflow, 227), T::Unsigned32, |r| latency(r).map(|l| mean(l).into()))
        .group(Group::HttpLatency).unit(Unit::Microseconds, Semantics::Quantity).otel("pidflow.flow.http.latency.mean")
        .doc("Mean time from the packet in which such a request begins to the one in which its final response begins."),
    row("HTTP_LATENCY_TOTAL", "httpLatencyTotal", (Pidflow, 228), T::Unsigned64, |r| latency(r).map(|l| l.total_us.into())).writes(|r, v| set(v.number(), |n| http_latency_mut(r).total_us = n))
        .group(Group::HttpLatency).unit(Unit::Microseconds, Semantics::DeltaCounter).otel("pidflow.flow.http.latency.total")
        .doc("Sum of these times."),
    row("HTTP_LATENCY_MAX", "httpLatencyMax", (Pidflow, 229), T::Unsigned32, |r| latency(r).map(|l| l.max_us.into())).writes(|r, v| set(v.number(), |n| http_latency_mut(r).max_us = n))
        .group(Group::HttpLatency).unit(Unit::Microseconds, Semantics::Quantity).otel("pidflow.flow.http.latency.max")
        .doc("The greatest of these times."),
    row("DNS_QUERY", "dnsQuery", (Ntop, 205), T::String, |r| dns(r).and_then(|d| text(&d.query))).writes(|r, v| set(v.shared_text(), |n| dns_mut(r).query = n))
        .group(Group::Dns).v9_text(64).otel("dns.question.name")
        .doc("Name of the first DNS query (ntop 205)."),
    row("DNS_QUERY_TYPE", "dnsQueryType", (Ntop, 207), T::Unsigned8, |r| dns(r).and_then(|d| u8::try_from(d.query_type).ok()).map(Into::into)).writes(|r, v| set(v.number::<u8>(), |n| dns_mut(r).query_type = n.into()))
        .group(Group::Dns).identifier()
        .doc("Type of the first DNS query: 1 A, 28 AAAA, …; types above 255 do not fit (ntop 207)."),
    row("DNS_QUERY_TYPE_16", "dnsQueryType16", (Pidflow, 83), T::Unsigned16, |r| dns(r).map(|d| d.query_type.into())).writes(|r, v| set(v.number(), |n| dns_mut(r).query_type = n))
        .group(Group::Dns).identifier().otel("pidflow.flow.dns.question.type")
        .doc("Type of the first DNS query, full range (65 is HTTPS, 257 is CAA)."),
    row("DNS_RET_CODE", "dnsRetCode", (Ntop, 208), T::Unsigned8, |r| response(r).map(|a| a.code.into())).writes(|r, v| set(v.number(), |n| dns_response_mut(r).code = n))
        .group(Group::DnsResponse).identifier().otel("pidflow.flow.dns.response_code")
        .doc("Code of the response to that query: 0 no error, 2 server failure, 3 no such name, … (ntop 208)."),
    row("DNS_NUM_ANSWERS", "dnsNumAnswers", (Ntop, 209), T::Unsigned8, |r| response(r).map(|a| a.answers.into())).writes(|r, v| set(v.number::<u8>(), |n| dns_response_mut(r).answers = n.into()))
        .group(Group::DnsResponse).otel("pidflow.flow.dns.answer_count")
        .doc("Number of answers in that response, at most 255 (ntop 209)."),
    row("DNS_RESPONSE", "dnsResponse", (Ntop, 398), T::String, |r| response(r).and_then(|a| text(&a.addresses))).writes(|r, v| set(v.shared_text(), |n| dns_response_mut(r).addresses = n))
        .group(Group::DnsResponse).v9_text(64).otel("pidflow.flow.dns.answers")
        .doc("Addresses in that response, joined by commas (ntop 398)."),
    row("SRC_HOST_NAME", "srcHostName", (Ntop, 491), T::String, |r| asked_name(&r.source)).writes(|r, v| set(v.shared_text(), |n| endpoint_mut(&mut r.source).name = n))
        .group(Group::SourceName).v9_text(64).otel("pidflow.source.name")
        .doc("Name for which the destination's process got the source's address from DNS before the flow began (ntop 491)."),
    row("DST_HOST_NAME", "dstHostName", (Ntop, 492), T::String, |r| asked_name(&r.destination)).writes(|r, v| set(v.shared_text(), |n| endpoint_mut(&mut r.destination).name = n))
        .group(Group::DestinationName).v9_text(64).otel("pidflow.destination.name")
        .doc("Name for which the source's process got the destination's address from DNS before the flow began (ntop 492)."),
];
