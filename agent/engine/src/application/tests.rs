//! Messages made by hand, whole, in pieces, cut and hostile.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use pidflow_schema::record::{ApplicationProtocol as Kind, Flow, FlowEndDetail, FlowEndReason};
use proptest::prelude::*;

use super::NameAnswer;
use crate::decode::{DecodeRules, Decoder, Frame, LinkType, PayloadRule};
use crate::flow_table::{FlowTable, FlowTableConfig};

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];
const SYN: u8 = 2;
const ACK: u8 = 16;

/// A decoder and a flow table that read payloads.
struct Run {
    decoder: Decoder,
    table: FlowTable,
    time_ns: u64,
    out: Vec<Flow>,
}

/// Who sends: the client, or the server.
#[derive(Clone, Copy)]
enum Sender {
    Client,
    Server,
}
use Sender::{Client, Server};

impl Run {
    fn new() -> Self {
        let rules = DecodeRules { payloads: PayloadRule::Pick, ..DecodeRules::default() };
        let table = FlowTable::new(FlowTableConfig::default());
        Self { decoder: Decoder::new(rules), table, time_ns: 1_000_000_000, out: Vec::new() }
    }

    fn frame(&mut self, data: &[u8]) {
        self.time_ns += 1_000_000;
        let frame = Frame { time_ns: self.time_ns, wire_octets: data.len() as u32, interface: 0, data };
        let packet = self.decoder.decode(LinkType::RawIp, &frame).unwrap();
        self.table.set_payloads(self.decoder.take_payloads());
        self.table.update_all(&[packet], &mut self.out);
    }

    fn tcp(&mut self, from: Sender, flags: u8, sequence: u32, payload: &[u8]) {
        let ((source, source_port), (destination, destination_port)) = ends(from, 4000);
        let builder = PacketBuilder::ipv4(source, destination, 64).tcp(source_port, destination_port, sequence, 1000);
        let builder = if flags & SYN != 0 { builder.syn() } else { builder };
        let builder = if flags & ACK != 0 { builder.ack(1) } else { builder };
        let mut data = Vec::new();
        builder.write(&mut data, payload).unwrap();
        self.frame(&data);
    }

    /// The handshake; the client's data begins with number 101, the server's with 501.
    fn connect(mut self) -> Self {
        self.tcp(Client, SYN, 100, b"");
        self.tcp(Server, SYN | ACK, 500, b"");
        self
    }

    fn udp(&mut self, from: Sender, server_port: u16, payload: &[u8]) {
        let ((source, source_port), (destination, destination_port)) = ends(from, server_port);
        let mut data = Vec::new();
        PacketBuilder::ipv4(source, destination, 64)
            .udp(source_port, destination_port)
            .write(&mut data, payload)
            .unwrap();
        self.frame(&data);
    }

    /// The only record.
    fn end(mut self) -> Flow {
        self.table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut self.out);
        assert_eq!(self.out.len(), 1);
        self.out.pop().unwrap()
    }
}

fn ends(from: Sender, server_port: u16) -> (([u8; 4], u16), ([u8; 4], u16)) {
    match from {
        Client => ((CLIENT, 1234), (SERVER, server_port)),
        Server => ((SERVER, server_port), (CLIENT, 1234)),
    }
}

fn prefixed(octets: usize, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_be_bytes();
    [&length[4 - octets..], content].concat()
}

/// A ClientHello without record, with these extensions and padding to about `padding` bytes.
fn client_hello(name: &[u8], padding: usize) -> Vec<u8> {
    let server_name = prefixed(2, &[&[0][..], &prefixed(2, name)].concat());
    let alpn = prefixed(2, &[prefixed(1, b"h2"), prefixed(1, b"http/1.1")].concat());
    let extension = |kind: u8, data: &[u8]| [&[0, kind][..], &prefixed(2, data)].concat();
    let extensions = [extension(21, &vec![0; padding]), extension(0, &server_name), extension(16, &alpn)].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &prefixed(2, &extensions)].concat();
    [&[1][..], &prefixed(3, &body)].concat()
}

fn server_hello() -> Vec<u8> {
    let extensions = [0, 43, 0, 2, 3, 4];
    let body = [&[3, 3][..], &[9; 32], &[0], &[0x13, 1], &[0], &prefixed(2, &extensions)].concat();
    [&[2][..], &prefixed(3, &body)].concat()
}

/// In records of at most `octets` bytes.
fn records(message: &[u8], octets: usize) -> Vec<u8> {
    message.chunks(octets).flat_map(|chunk| [&[22, 3, 1][..], &prefixed(2, chunk)].concat()).collect()
}

fn server_name(flow: &Flow) -> Option<&str> {
    Some(&*flow.application.as_ref()?.tls.as_ref()?.server_name)
}

#[test]
fn a_hello_in_one_segment_and_its_answer() {
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, &records(&client_hello(b"a.example", 100), 16_384));
    run.tcp(Server, ACK, 501, &records(&server_hello(), 16_384));
    let flow = run.end();
    let application = flow.application.unwrap();
    let tls = application.tls.as_ref().unwrap();
    assert_eq!((application.protocol, &*tls.server_name, &*tls.alpn), (Kind::Tls, "a.example", "h2,http/1.1"));
    assert_eq!(tls.version_name(), Some("1.3"));
}

#[test]
fn a_hello_in_many_segments_and_records() {
    for (record, segment) in [(16_384, 1000), (16_384, 7), (300, 1000), (300, 100), (100, 350)] {
        let mut run = Run::new().connect();
        let stream = records(&client_hello(b"long.example", 2000), record);
        let mut sequence = 101;
        for chunk in stream.chunks(segment.max(10)) {
            run.tcp(Client, ACK, sequence, chunk);
            sequence += chunk.len() as u32;
        }
        let flow = run.end();
        let wanted = if stream.len().div_ceil(segment.max(10)) <= 32 { Some("long.example") } else { None };
        assert_eq!(server_name(&flow), wanted, "{record} {segment}");
    }
}

#[test]
fn segments_that_are_sent_again_are_read_once_and_lost_ones_hide_the_name() {
    let stream = records(&client_hello(b"again.example", 2000), 16_384);
    let (first, rest) = stream.split_at(1000);
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, first);
    run.tcp(Client, ACK, 101, first);
    run.tcp(Client, ACK, 1101, rest);
    assert_eq!(server_name(&run.end()), Some("again.example"));

    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, first);
    run.tcp(Client, ACK, 1201, &rest[100..]);
    assert_eq!(run.end().application, None);
}

/// All orders of `0..number`.
fn orders(number: usize) -> Vec<Vec<usize>> {
    if number == 0 {
        return vec![Vec::new()];
    }
    let insert = |order: Vec<usize>| (0..number).map(move |at| [&order[..at], &[number - 1], &order[at..]].concat());
    orders(number - 1).into_iter().flat_map(insert).collect()
}

#[test]
fn segments_in_any_order_have_the_same_names() {
    let hello = records(&client_hello(b"order.example", 2000), 700);
    let request = [&b"GET /order HTTP/1.1\r\nA: "[..], &[b'a'; 2000], b"\r\nHost: order.example\r\n\r\n"].concat();
    for stream in [hello, request] {
        let segments: Vec<(u32, &[u8])> = (0..).step_by(450).zip(stream.chunks(450)).collect();
        assert_eq!(segments.len(), 5);
        for order in orders(segments.len()) {
            // In order, twice each, and with segments that begin before the end of the ones before.
            for (times, overlap) in [(1, 0), (2, 0), (1, 30)] {
                let mut run = Run::new().connect();
                for (at, _) in order.iter().flat_map(|at| (0..times).map(move |time| (*at, time))) {
                    let (start, segment) = segments[at];
                    let before = overlap.min(start as usize);
                    let from = start as usize - before;
                    run.tcp(Client, ACK, 101 + from as u32, &stream[from..start as usize + segment.len()]);
                }
                let flow = run.end();
                let known = flow.application.as_deref().and_then(|application| application.server_name());
                assert_eq!(known, Some("order.example"), "{order:?} {times} {overlap}");
            }
        }
    }
}

#[test]
fn early_segments_do_not_make_a_message_where_its_beginning_is_missing() {
    let stream = records(&client_hello(b"lost.example", 2000), 16_384);
    let mut run = Run::new().connect();
    for at in [900_u32, 1800, 450] {
        run.tcp(Client, ACK, 101 + at, &stream[at as usize..(at as usize + 450).min(stream.len())]);
    }
    assert_eq!(run.end().application, None);
}

#[test]
fn a_cut_hello_is_not_guessed_at_any_length() {
    let whole = records(&client_hello(b"cut.example", 20), 16_384);
    for length in 0..whole.len() {
        let mut run = Run::new().connect();
        run.tcp(Client, ACK, 101, &whole[..length]);
        assert_eq!(run.end().application, None, "{length}");
    }
}

#[test]
fn control_characters_in_names_do_not_get_into_records() {
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, &records(&client_hello(b"a\x1b[2J\n\xc2\x9b.example", 0), 16_384));
    assert_eq!(server_name(&run.end()), Some("a\\027[2J\\010\\194\\155.example"));
}

/// Request, response, the method, host and path that are expected, and the status.
type Case = (&'static [u8], &'static [u8], [&'static str; 3], Option<u16>);

fn http(request: &[u8], response: &[u8]) -> Flow {
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, request);
    run.tcp(Server, ACK, 501, response);
    run.end()
}

#[test]
fn requests_and_responses_of_http() {
    let cases: [Case; 6] = [
        (
            b"GET /a/b?token=secret#x HTTP/1.1\r\nHost: h.example:81\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            ["GET", "h.example:81", "/a/b"],
            Some(404),
        ),
        (
            b"POST http://user:pw@p.example/up?k=v HTTP/1.1\r\nHost: other\r\n\r\n",
            b"HTTP/1.0 200\r\n",
            ["POST", "p.example", "/up"],
            Some(200),
        ),
        (
            b"CONNECT t.example:443 HTTP/1.1\r\nHost: t.example:443\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            ["CONNECT", "t.example:443", ""],
            Some(200),
        ),
        (b"OPTIONS * HTTP/1.1\r\nX: y\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", ["OPTIONS", "", "*"], None),
        (
            b"VERSION-CONTROL /v HTTP/1.1\r\nhOsT:  w.example \r\n\r\n",
            b"",
            ["VERSION-CONTROL", "w.example", "/v"],
            None,
        ),
        (b"GET /r?next=http://evil/ HTTP/1.0\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n", ["GET", "", "/r"], Some(101)),
    ];
    for (request, response, [method, host, path], status) in cases {
        let application = http(request, response).application.unwrap();
        let found = application.http.as_ref().unwrap();
        assert_eq!([&*found.method, &*found.host, &*found.path], [method, host, path]);
        assert_eq!((found.status, application.protocol), (status, Kind::Http), "{method}");
    }
}

fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    [&prefixed(3, content)[..3], &[kind, flags, 0, 0, 0, u8::from(kind == 1 || kind == 9)], content].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// RFC 7541, C.4.1: GET, http, www.example.com, with the path `/`.
const FIELDS: &[u8] = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
/// The beginning of RFC 7541, C.6.1: status 302.
const STATUS: &[u8] = b"\x48\x82\x64\x02";

fn settings() -> Vec<u8> {
    frame(4, 0, &[0, 3, 0, 0, 0, 100])
}

fn exchange(flow: &Flow) -> Option<(String, Option<u16>)> {
    let http = flow.application.as_deref()?.http.as_deref()?;
    Some((format!("{} {} {}", http.method, http.host, http.path), http.status))
}

#[test]
fn http_2_is_read_from_its_first_headers() {
    let update = frame(8, 0, &[0, 0, 1, 0]);
    let path = |path: &[u8]| [&[0x04, path.len() as u8][..], path].concat();
    let with_path = [&FIELDS[..2], &path(b"/a/b?token=secret"), &FIELDS[3..]].concat();
    let padded = [&[3, 0, 0, 0, 0, 16][..], &with_path, &[0; 3]].concat();
    let split = [frame(1, 0, &with_path[..7]), frame(9, 0, &with_path[7..11]), frame(9, 4, &with_path[11..])].concat();
    let interim = [frame(1, 4, b"\x48\x03100"), frame(1, 4, STATUS)].concat();
    for (headers, answer) in [
        (frame(1, 4, &with_path), frame(1, 4, STATUS)),
        (frame(1, 4 | 8 | 32, &padded), frame(1, 5, STATUS)),
        (split, interim),
    ] {
        let request = [PREFACE, &settings(), &update, &headers].concat();
        let answer = [settings(), frame(4, 1, b""), answer].concat();
        for segment in [1000, 40] {
            let mut run = Run::new().connect();
            for (at, chunk) in (0..).step_by(segment).zip(request.chunks(segment)) {
                run.tcp(Client, ACK, 101 + at, chunk);
            }
            for (at, chunk) in (0..).step_by(segment).zip(answer.chunks(segment)) {
                run.tcp(Server, ACK, 501 + at, chunk);
            }
            let expected = ("GET www.example.com /a/b".to_owned(), Some(302));
            assert_eq!(exchange(&run.end()), Some(expected), "{segment}");
        }
    }
}

#[test]
fn http_2_after_an_upgrade_has_its_own_status() {
    let request = b"GET /up HTTP/1.1\r\nHost: h.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let frames = [settings(), frame(1, 4, STATUS)].concat();
    let expected = ("GET h.example /up".to_owned(), Some(302));
    assert_eq!(exchange(&http(request, &[switching, &frames[..]].concat())), Some(expected.clone()));
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, request);
    run.tcp(Server, ACK, 501, switching);
    run.tcp(Client, ACK, 101 + request.len() as u32, PREFACE);
    run.tcp(Server, ACK, 501 + switching.len() as u32, &frames);
    assert_eq!(exchange(&run.end()), Some(expected));
    let other = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello";
    assert_eq!(exchange(&http(request, other)).and_then(|(_, status)| status), Some(101));
}

#[test]
fn what_is_not_http_2_or_has_broken_fields_is_not_reported() {
    let after_preface = |rest: &[u8]| [PREFACE, rest].concat();
    let headers = frame(1, 4, FIELDS);
    for request in [
        after_preface(b""),
        after_preface(&headers),
        after_preface(&[settings(), frame(1, 4, b"\xff\xff\xff\xff\xff\xff")].concat()),
        after_preface(&[settings(), frame(1, 4, b"\x82\xbe")].concat()),
        after_preface(&[settings(), frame(1, 4 | 8, b"\x50\x82")].concat()),
        after_preface(&[settings(), frame(1, 0, FIELDS), settings(), frame(9, 4, b"")].concat()),
        after_preface(&[settings().repeat(40), headers.clone()].concat()),
        [&PREFACE[..23], b"!", &settings(), &headers].concat(),
    ] {
        assert_eq!(http(&request, b"").application, None, "{}", request.escape_ascii());
    }
}

#[test]
fn other_protocols_with_similar_requests_are_not_http() {
    for request in [
        &b"OPTIONS rtsp://cam/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"[..],
        b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n",
        b"GET \r\n\r\n",
        b"HELO mail.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert_eq!(http(request, b"").application, None, "{}", request.escape_ascii());
    }
}

#[test]
fn a_message_within_a_stream_is_not_its_protocol() {
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, b"220 something else");
    run.tcp(Client, ACK, 119, b"GET / HTTP/1.1\r\nHost: inside.example\r\n\r\n");
    assert_eq!(run.end().application, None);
}

#[test]
fn tls_through_a_proxy_keeps_both_names() {
    let mut run = Run::new().connect();
    let connect = b"CONNECT t.example:443 HTTP/1.1\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\n\r\n";
    run.tcp(Client, ACK, 101, connect);
    run.tcp(Server, ACK, 501, answer);
    run.tcp(Client, ACK, 101 + connect.len() as u32, &records(&client_hello(b"t.example", 0), 16_384));
    let flow = run.end();
    assert_eq!(server_name(&flow), Some("t.example"));
    assert_eq!(&*flow.application.unwrap().http.as_ref().unwrap().host, "t.example:443");
}

#[test]
fn banners_of_ssh() {
    let banner = |text: &[u8]| http(text, b"").application.map(|application| application.protocol);
    assert_eq!(banner(b"SSH-2.0-OpenSSH_9.2\r\n"), Some(Kind::Ssh));
    assert_eq!(banner(b"SSH-1.99-x\n"), Some(Kind::Ssh));
    assert_eq!([banner(b"SSH-3.0-x\r\n"), banner(b"SSH-2.0-no end"), banner(b"SSH-2.0-\x01\r\n")], [None; 3]);
}

/// A message with one question; `records` are whole records of the answer section.
fn dns(id: u16, is_response: bool, name: &[u8], query_type: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let flags = if is_response { [0x81, 0x80] } else { [1, 0] };
    let counts = [0, 1, 0, records.len() as u8, 0, 0, 0, 0];
    [&id.to_be_bytes()[..], &flags, &counts, name, &[0, query_type, 0, 1], &records.concat()].concat()
}

/// An address for the name of the question.
fn a(address: [u8; 4], ttl: u8) -> Vec<u8> {
    [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4][..], &address].concat()
}

const NAME: &[u8] = b"\x01a\x07example\x00";

fn lookups(messages: &[(Sender, Vec<u8>)]) -> (Flow, Vec<NameAnswer>) {
    let mut run = Run::new();
    messages.iter().for_each(|(from, message)| run.udp(*from, 53, message));
    let answers = run.table.take_name_answers();
    (run.end(), answers)
}

#[test]
fn a_query_and_its_response() {
    let alias = [&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4][..], b"\x01b\xc0\x0e"].concat();
    let response = dns(7, true, b"\x01A\x07eXample\x00", 1, &[alias, a([192, 0, 2, 1], 30), a([192, 0, 2, 2], 30)]);
    let (flow, answers) = lookups(&[(Client, dns(7, false, NAME, 1, &[])), (Server, response)]);
    let application = flow.application.unwrap();
    let dns = application.dns.as_ref().unwrap();
    assert_eq!((application.protocol, &*dns.query, dns.query_type), (Kind::Dns, "a.example", 1));
    let response = dns.response.as_ref().unwrap();
    assert_eq!((response.code, response.answers, &*response.addresses), (0, 3, "192.0.2.1,192.0.2.2"));
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.client, answer.server), ((IpAddr::from(CLIENT), 1234), (IpAddr::from(SERVER), 53)));
    let address = |last: u8| (IpAddr::from([192, 0, 2, last]), 30);
    assert_eq!(
        (answer.name.to_lowercase(), &answer.addresses[..]),
        ("a.example".into(), &[address(1), address(2)][..])
    );
}

#[test]
fn responses_to_what_was_not_asked_name_nothing() {
    let query = (Client, dns(7, false, NAME, 1, &[]));
    let good = dns(7, true, NAME, 1, &[a([192, 0, 2, 1], 30)]);
    let other_name = dns(7, true, b"\x01b\x07example\x00", 1, &[a([192, 0, 2, 1], 30)]);
    let other_id = dns(8, true, NAME, 1, &[a([192, 0, 2, 1], 30)]);
    let other_type = dns(7, true, NAME, 28, &[a([192, 0, 2, 1], 30)]);
    assert_eq!(lookups(&[query.clone(), (Server, good.clone())]).1.len(), 1);
    for spoofed in [other_name, other_id, other_type] {
        assert_eq!(lookups(&[query.clone(), (Server, spoofed)]).1, []);
    }
    assert_eq!(lookups(&[(Server, good.clone())]).1, [], "no query");
    assert_eq!(lookups(&[query, (Server, good.clone()), (Server, good)]).1.len(), 1, "a second response");
}

#[test]
fn each_query_of_a_flow_is_answered() {
    let other: &[u8] = b"\x01b\x07example\x00";
    let (flow, answers) = lookups(&[
        (Client, dns(1, false, NAME, 1, &[])),
        (Client, dns(2, false, other, 1, &[])),
        (Server, dns(2, true, other, 1, &[a([192, 0, 2, 2], 1)])),
        (Server, dns(1, true, NAME, 1, &[a([192, 0, 2, 1], 1)])),
    ]);
    assert_eq!(answers.iter().map(|answer| &*answer.name).collect::<Vec<_>>(), ["b.example", "a.example"]);
    let application = flow.application.unwrap();
    let dns = application.dns.as_ref().unwrap();
    assert_eq!((&*dns.query, &*dns.response.as_ref().unwrap().addresses), ("a.example", "192.0.2.1"));
}

#[test]
fn hostile_dns_messages_are_no_dns() {
    let header = |questions: u8| [0, 1, 1, 0, 0, questions, 0, 0, 0, 0, 0, 0];
    let cases = [
        // The name points to itself, to a later place, and at the middle of itself.
        [&header(1)[..], &[0xc0, 12, 0, 1, 0, 1]].concat(),
        [&header(1)[..], &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1]].concat(),
        [&header(1)[..], &[1, b'a', 0xc0, 12, 0, 1, 0, 1]].concat(),
        // A name of more than 255 bytes.
        [&header(1)[..], &[b"\x3f".as_slice(), &[b'x'; 63]].concat().repeat(5), &[0, 0, 1, 0, 1]].concat(),
        // 65,535 answers in 30 bytes.
        [&[0, 1, 0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0][..], NAME, &[0, 1, 0, 1]].concat(),
        // Something after the message.
        [&dns(1, false, NAME, 1, &[])[..], b"more"].concat(),
        vec![0; 12],
        vec![0; 100],
    ];
    for message in cases {
        let mut run = Run::new();
        run.udp(Client, 9999, &message);
        assert_eq!(run.end().application, None, "{}", message.escape_ascii());
    }
}

#[test]
fn dots_and_controls_in_labels_are_escaped() {
    let (flow, _) = lookups(&[(Client, dns(1, false, b"\x04a.b\x07\x01 \x00", 1, &[]))]);
    assert_eq!(&*flow.application.unwrap().dns.as_ref().unwrap().query, "a\\.b\\007.\\ ");
}

#[test]
fn names_of_netbios_are_not_dns_and_multicast_dns_is_itself() {
    let netbios = b"\x20EJFAFGDGCOEHEPEPEHEMEFCOEDEPENAA\x00";
    let found = |port: u16, message: &[u8]| {
        let mut run = Run::new();
        run.udp(Client, port, message);
        run.end().application.map(|application| application.protocol)
    };
    assert_eq!(found(137, &dns(1, false, netbios, 32, &[])), None);
    assert_eq!(found(5353, &dns(0, false, NAME, 12, &[])), Some(Kind::Mdns));
    assert_eq!(found(5355, &dns(1, false, NAME, 1, &[])), Some(Kind::Llmnr));
    assert_eq!(found(9999, &dns(1, false, NAME, 1, &[])), Some(Kind::Dns), "by its content");
    assert_eq!(found(53, b"not a message of DNS, only its port"), None);
}

#[test]
fn dns_over_tcp() {
    let mut run = Run::new().connect();
    let query = prefixed(2, &dns(7, false, NAME, 1, &[]));
    run.tcp(Client, ACK, 101, &query);
    run.tcp(Server, ACK, 501, &prefixed(2, &dns(7, true, NAME, 1, &[a([192, 0, 2, 1], 3)])));
    assert_eq!(run.table.take_name_answers().len(), 1);
    assert_eq!(run.end().application.unwrap().protocol, Kind::Dns);
}

fn protocol_of_udp(port: u16, datagrams: &[(Sender, Vec<u8>)]) -> Option<Kind> {
    let mut run = Run::new();
    datagrams.iter().for_each(|(from, datagram)| run.udp(*from, port, datagram));
    run.end().application.map(|application| application.protocol)
}

#[test]
fn a_tunnel_is_named_when_its_answer_proves_it_on_any_port() {
    let begin = [&[1, 0, 0, 0, 9, 8, 7, 6][..], &[0xaa; 140]].concat();
    let answer = |index: u8| [&[2, 0, 0, 0, 1, 1, 1, 1, 9, 8, 7, index][..], &[0xbb; 80]].concat();
    let wireguard = |port, datagrams: &[(Sender, Vec<u8>)]| protocol_of_udp(port, datagrams);
    for port in [51_820, 4000, 53, 4500] {
        let found = wireguard(port, &[(Client, begin.clone()), (Client, begin.clone()), (Server, answer(6))]);
        assert_eq!(found, Some(Kind::WireGuard), "{port}");
    }
    assert_eq!(wireguard(51_820, &[(Client, begin.clone()), (Client, answer(6))]), None, "of the same end");
    assert_eq!(wireguard(51_820, &[(Client, begin.clone()), (Server, answer(5))]), None, "to another message");
    assert_eq!(wireguard(51_820, &[(Server, answer(6)), (Client, begin)]), None, "before it");

    let reset = |opcode: u8, acknowledged: &[u8]| [&[opcode << 3][..], b"12345678", acknowledged, &[0; 5]].concat();
    for opcode in [7, 10] {
        let found = protocol_of_udp(4000, &[(Client, reset(opcode, b"")), (Server, reset(8, b"hmac\x0112345678"))]);
        assert_eq!(found, Some(Kind::OpenVpn), "{opcode}");
    }
    assert_eq!(protocol_of_udp(1194, &[(Client, reset(7, b"")), (Server, reset(8, b"hmac\x01other678"))]), None);
}

#[test]
fn ipsec_is_named_by_its_headers() {
    let ike = |version: u8, exchange: u8, length: u8| {
        [&b"initiatr"[..], &[0; 8], &[33, version, exchange, 8, 0, 0, 0, 0, 0, 0, 0, length], &[1; 12]].concat()
    };
    let in_esp_port = |ike: &[u8]| [&[0; 4][..], ike].concat();
    assert_eq!(protocol_of_udp(500, &[(Client, ike(0x20, 34, 40))]), Some(Kind::Ipsec));
    assert_eq!(protocol_of_udp(4000, &[(Client, ike(0x10, 2, 40))]), Some(Kind::Ipsec));
    assert_eq!(protocol_of_udp(4500, &[(Client, in_esp_port(&ike(0x20, 35, 40)))]), Some(Kind::Ipsec));
    for (version, exchange, length) in [(0x20, 34, 41), (0x20, 1, 40), (0x30, 34, 40)] {
        assert_eq!(protocol_of_udp(500, &[(Client, ike(version, exchange, length))]), None);
    }
    let esp = |index: u16, number: u8| [&index.to_be_bytes()[..], &[0, 1, 0, 0, 0, number], &[7; 40]].concat();
    let two = |second: Vec<u8>| vec![(Client, esp(300, 4)), (Client, second)];
    assert_eq!(protocol_of_udp(4500, &two(esp(300, 5))), Some(Kind::Ipsec));
    assert_eq!(protocol_of_udp(4500, &two(esp(301, 5))), None, "another index");
    assert_eq!(protocol_of_udp(4500, &two(esp(300, 4))), None, "sent twice");
    assert_eq!(protocol_of_udp(4501, &two(esp(300, 5))), None, "another port");
    let mut run = Run::new();
    let mut data = Vec::new();
    PacketBuilder::ipv4(CLIENT, SERVER, 64).write(&mut data, 50.into(), &esp(300, 1)).unwrap();
    run.frame(&data);
    assert_eq!(run.end().application.map(|application| application.protocol), Some(Kind::Ipsec));
}

#[test]
fn without_the_rule_nothing_is_read() {
    let mut run = Run::new().connect();
    run.decoder = Decoder::default();
    run.tcp(Client, ACK, 101, &records(&client_hello(b"a.example", 100), 16_384));
    assert_eq!(run.end().application, None);
}

#[test]
fn memory_is_returned_when_flows_end() {
    let mut run = Run::new().connect();
    run.tcp(Client, ACK, 101, b"GET /unfinished HTTP/1.1\r\nHost: ");
    assert!(run.table.allocated_bytes() > 0);
    let mut out = Vec::new();
    while run.table.expire(1 << 60, &mut out) {}
    assert!(run.table.is_empty());
    let left = run.table.watched_bytes();
    assert!(left < 4096, "{left}");
}

/// Many flows with one packet each: large messages that never end, or that end and leave long texts.
#[test]
fn a_flood_of_large_messages_takes_no_more_than_its_share() {
    let unfinished = [b"GET /".to_vec(), vec![b'a'; 1900]].concat();
    let long = [&b"GET /"[..], &[b'a'; 900], b" HTTP/1.1\r\nHost: ", &[b'b'; 900], b"\r\n\r\n"].concat();
    const FLOWS: u16 = 10_000;
    let limit = usize::from(FLOWS) * FlowTable::BYTES_PER_WATCHED_FLOW;
    let send = |run: &mut Run, port: u16, message: &[u8]| {
        let mut data = Vec::new();
        let tcp = PacketBuilder::ipv4(CLIENT, SERVER, 64).tcp(port, 80, 101, 1000).ack(1);
        // The texts of no two flows are equal.
        let message = String::from_utf8_lossy(message).replace("GET /", &format!("GET /{port}"));
        tcp.write(&mut data, message.replace("Host: ", &format!("Host: {port}")).as_bytes()).unwrap();
        run.frame(&data);
    };
    for message in [&unfinished, &long] {
        let mut run = Run::new();
        run.table = FlowTable::new(FlowTableConfig { max_flows: usize::from(FLOWS), ..FlowTableConfig::default() });
        (0..FLOWS).for_each(|n| send(&mut run, 1000 + n, message));
        let (kept, left_out) = (run.table.watched_bytes(), run.table.counters().payloads_dropped);
        // Beside it, the table of the watched flows.
        assert!(kept < limit + 1_000_000, "{kept} of {limit}");
        assert!(left_out > 5000, "{left_out}");
        let mut out = Vec::new();
        while run.table.expire(1 << 60, &mut out) {}
        assert_eq!(out.len(), usize::from(FLOWS), "each flow has its record all the same");
        send(&mut run, 999, message);
        assert_eq!(run.table.counters().payloads_dropped, left_out, "there is room again");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Damaged messages in random segments: no panic, and every packet is in the record.
    #[test]
    fn damaged_messages(
        kind in 0..8_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        segment in 1..600_usize,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut message = match kind {
            0 => records(&client_hello(b"a.example", 300), 200),
            1 => records(&server_hello(), 1000),
            2 => b"GET /x?y HTTP/1.1\r\nHost: a.example\r\nA: b\r\n\r\n".to_vec(),
            3 => prefixed(2, &dns(1, true, NAME, 1, &[a([1, 2, 3, 4], 1), a([1, 2, 3, 5], 1)])),
            4 => [PREFACE, &settings(), &frame(1, 4, FIELDS)].concat(),
            5 => [settings(), frame(1, 4, STATUS)].concat(),
            6 => [&[1, 0, 0, 0][..], &[7; 144]].concat(),
            _ => b"SSH-2.0-x\r\n".to_vec(),
        };
        for (at, byte) in damage {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message.truncate(cut.index(message.len()) + 1);
        let mut run = Run::new().connect();
        let (mut sequence, mut packets) = (101, 2);
        for chunk in message.chunks(segment) {
            run.tcp(Client, ACK, sequence, chunk);
            run.udp(Client, 53, chunk);
            sequence += chunk.len() as u32;
            packets += 2;
        }
        run.table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut run.out);
        prop_assert_eq!(run.out.iter().map(|flow| flow.forward.packets + flow.reverse.packets).sum::<u64>(), packets);
    }
}
