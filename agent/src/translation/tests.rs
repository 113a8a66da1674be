use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_MULTIPART, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Tuple};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use pidflow_engine::fact::{Fact, PacketEnds, TranslationChange};

use super::conntrack::Conntrack;
use super::message::{Notice, Translated, parse, refusal};
use super::state::State;
use super::watch::Watch;

fn end(text: &str) -> (IpAddr, u16) {
    let address: SocketAddr = text.parse().unwrap();
    (address.ip(), address.port())
}

fn tuple([source, destination]: PacketEnds) -> Vec<Tuple> {
    let ports = [ProtoTuple::SourcePort(source.1), ProtoTuple::DestinationPort(destination.1)];
    vec![
        Tuple::Ip(vec![IPTuple::SourceAddress(source.0), IPTuple::DestinationAddress(destination.0)]),
        Tuple::Proto([ProtoTuple::Protocol(6.into())].into_iter().chain(ports).collect()),
    ]
}

fn bytes(message: ConntrackMessage, flags: u16) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let message = NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0), message);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn attributes(original: PacketEnds, reply: PacketEnds) -> Vec<ConntrackAttribute> {
    vec![ConntrackAttribute::CtaTupleOrig(tuple(original)), ConntrackAttribute::CtaTupleReply(tuple(reply))]
}

fn notices(bytes: &[u8]) -> Vec<Notice> {
    let mut notices = Vec::new();
    parse(bytes, &mut notices);
    notices
}

#[test]
fn new_listed_and_ended_translations_are_reported_and_other_connections_are_not() {
    let (pod, service, backend) = (end("10.1.0.11:40000"), end("10.96.0.1:80"), end("10.1.0.12:8080"));
    let translated = attributes([pod, service], [backend, pod]);
    let plain = attributes([pod, backend], [backend, pod]);
    let expected = Translated { zone: 0, protocol: 6, before: [pod, service], after: [pod, backend] };
    let all = [
        bytes(ConntrackMessage::New(translated.clone()), 0),
        bytes(ConntrackMessage::New(plain.clone()), 0),
        bytes(ConntrackMessage::New(translated.clone()), NLM_F_MULTIPART),
        bytes(ConntrackMessage::Delete(plain), 0),
        bytes(ConntrackMessage::Delete(translated), 0),
    ];
    let changes = [TranslationChange::Began, TranslationChange::Found, TranslationChange::Ended];
    assert_eq!(notices(&all.concat()), changes.map(|change| Notice::Translation(change, expected)));
}

#[test]
fn truncated_and_incomplete_messages_are_counted_and_do_not_panic() {
    let (pod, service, backend) = (end("[fd00::1]:40000"), end("[fd00::9]:80"), end("[fd00::2]:8080"));
    let whole = bytes(ConntrackMessage::New(attributes([pod, service], [backend, pod])), 0);
    assert!(matches!(notices(&whole)[..], [Notice::Translation(..)]));
    for length in 1..whole.len() {
        assert_eq!(notices(&whole[..length]), [Notice::Unparsed], "cut at {length}");
    }
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0xff;
        let _ = (notices(&bad), refusal(&bad));
    }
    let half = vec![ConntrackAttribute::CtaTupleOrig(tuple([pod, service]))];
    assert_eq!(notices(&bytes(ConntrackMessage::New(half), 0)), [Notice::Unparsed]);
}

#[test]
fn the_kernel_answers_or_the_report_says_why_not() {
    match Conntrack::open() {
        Ok(_) => assert_eq!(super::probe().0.way.as_deref(), Some("conntrack")),
        Err(e) => {
            let (report, remedy) = super::probe();
            assert!(
                report.way.is_none() && !remedy.is_empty() && report.refusals.iter().any(|r| r.reason == e.to_string()),
                "{report:?}"
            );
        }
    }
}

/// Moves this thread to a new network namespace in which packets to UDP port 9 are translated. False: this is not possible.
fn translating(test: &str) -> bool {
    // SAFETY: the call changes only the network namespace of this thread.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        pidflow_skip::skip(test, "no network namespace of its own without root");
        return false;
    }
    let runs = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let rules = "table ip t { chain c { type nat hook output priority -100; udp dport 9 dnat to 127.0.0.1:10; }; }";
    let works = runs("ip", &["link", "set", "lo", "up"]) && runs("nft", &[rules]);
    if !works {
        pidflow_skip::skip(test, "no nft (package nftables), or this kernel does not translate");
    }
    works
}

/// Sends a datagram from each of `count` ports and returns the ports. Each datagram to port 9 begins a translation.
fn send(count: u16, to: &str) -> HashSet<u16> {
    let ports: HashSet<u16> = (20_000..20_000 + count).collect();
    for port in &ports {
        let socket = UdpSocket::bind(("127.0.0.1", *port)).unwrap();
        // No process listens there, so the send may fail.
        let _ = socket.send_to(b"x", to);
    }
    ports
}

/// A queue full of them would lose notices of others.
#[test]
fn untranslated_connections_take_no_room_in_the_queue() {
    if !translating("untranslated_connections_take_no_room_in_the_queue") {
        return;
    }
    let mut conntrack = Conntrack::open().unwrap().with_buffer(4096);
    send(500, "127.0.0.9:11");
    let sent = send(2, "127.0.0.9:9");
    let (mut notices, until) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    let mut known = HashSet::new();
    while known.len() < 2 && Instant::now() < until {
        conntrack.wait(Duration::from_millis(100)).unwrap();
        while conntrack.receive(&mut notices).expect("no notice is lost") {}
        known.extend(notices.iter().filter_map(|notice| match notice {
            Notice::Translation(_, translated) => Some(translated.before[0].1),
            _ => None,
        }));
    }
    assert_eq!(known, sent);
}

#[test]
fn notices_lost_in_an_overrun_are_listed_again() {
    if !translating("notices_lost_in_an_overrun_are_listed_again") {
        return;
    }
    let (conntrack, state) = (Conntrack::open().unwrap().with_buffer(4096), Arc::<State>::default());
    let (facts, received) = crossbeam_channel::unbounded();
    let sent = send(2000, "127.0.0.9:9");
    let mut watch = Watch::new(conntrack, 7, facts, Arc::clone(&state));
    std::thread::spawn(move || watch.run());
    let mut known = HashSet::new();
    let until = Instant::now() + Duration::from_secs(20);
    let (mut listings, mut lost) = (0, 0);
    while listings == 0 && Instant::now() < until {
        for fact in received.recv_timeout(Duration::from_millis(1500)).unwrap_or_default() {
            match fact {
                Fact::Translation { translation, .. } => drop(known.insert(translation.before[0].1)),
                Fact::TranslationsLost { netns: 7, .. } => lost += 1,
                Fact::TranslationsListed { netns: 7, .. } => listings += 1,
                _ => {}
            }
        }
    }
    assert!(
        state.counts().overruns > 0 && listings > 0 && lost > 0,
        "{:?}, {listings} listings, {lost} losses",
        state.counts()
    );
    assert!(known.is_superset(&sent), "{} of {}", known.len(), sent.len());
}
