//! ZeroMQ: pidflow's own exporter, and a publisher with libzmq that frames as nProbe does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pidflow_exporters::sample;
use pidflow_tests::collecting::{Collector, free_port};
use pidflow_tests::process::{self, Guarded};
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::skip;

use crate::{LIMIT, collected, exporter, send, wait_for, written};

/// pidflow publishes, pidflow subscribes: once as ntopng connects, and once the other way round.
#[test]
fn records_of_pidflow_are_equal() {
    for (from, way) in [("tcp://127.0.0.1:PORT", ""), ("tcp://127.0.0.1:PORTc", "connect = true\n")] {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap().to_string());
        let file = dir.path().join("records.jsonl");
        let publisher = format!(
            "kind = \"zmq\"\nurl = \"tcp://127.0.0.1:{port}\"\nheader = 2\nrecords-per-message = 7\nsource-id = 70000\n{way}"
        );
        let collector =
            || Collector::start(&["--zmq-from", &from.replace("PORT", &port), "--json", file.to_str().unwrap()]);
        let (set, collector) = match way {
            "" => {
                let set = exporter(&publisher);
                (set, collector().unwrap())
            }
            _ => {
                let collector = collector().unwrap();
                (exporter(&publisher), collector)
            }
        };
        // A publisher keeps nothing for subscribers that are not there yet.
        eventually("a first record", || {
            send(&set, &sample::records(1));
            std::thread::sleep(Duration::from_millis(100));
            Ok(!collected(&file).is_empty())
        })
        .unwrap();
        std::thread::sleep(Duration::from_secs(1));
        let (before, sent) = (collected(&file).len(), sample::records(1000));
        send(&set, &sent);
        let end = set.shutdown(LIMIT).remove(0);
        wait_for(&file, before + sent.len());
        assert_eq!(collected(&file)[before..], written(&sent), "{end:?}");
        assert_eq!(collector.event("lost-datagrams").unwrap(), 0);
        assert!(
            std::fs::read_to_string(&file).unwrap().lines().last().unwrap().contains("\"OBSERVATION_DOMAIN_ID\":70000")
        );
        drop(collector.stop().unwrap());
    }
}

/// With libzmq: 24, 28, 36 and 40 octets of header, JSON and TLV, compressed and not; keys by number and by name.
const NPROBE: &str = r#"
import json, socket, struct, sys, time, zlib, zmq
publisher = zmq.Context().socket(zmq.PUB)
publisher.bind(sys.argv[1])
number = 0
def send(form, payload, topic=b"flow", tlv=False):
    global number
    number += form != 40
    n = socket.htonl(number)
    size = min(len(payload), 65535)
    header = {
        40: lambda: struct.pack("@32sII", topic, 3 if tlv else 2, len(payload)),
        24: lambda: struct.pack("@16sBBHI", topic, 3 if tlv else 2, 9, size, n),
        28: lambda: struct.pack("@16sBxHII", topic, 3 if tlv else 2, size, n, 9),
        36: lambda: struct.pack("@16sBBxxIIII", topic, 4, (2 if tlv else 0) | (4 if payload[:1] == b"\x78" else 0), 0, len(payload), n, 9),
    }[form]()
    assert len(header) == form
    publisher.send_multipart([header, payload])
def numbers(port):
    return {"8": "10.0.0.1", "12": "10.0.0.2", "7": port, "11": 443, "4": 6, "1": 1500, "2": 3, "21": 1767225660, "22": 1767225600,
            "57640": 4242, "35632.169": "curl"}
def names(port):
    return {"IPV4_SRC_ADDR": "10.0.0.1", "IPV4_DST_ADDR": "10.0.0.2", "L4_SRC_PORT": port, "L4_DST_PORT": 443, "PROTOCOL": 6, "IN_BYTES": 1500,
            "IN_PKTS": 3, "LAST_SWITCHED": 1767225660, "FIRST_SWITCHED": 1767225600, "SRC_PROC_PID": 4242, "SRC_PROC_NAME": "curl"}
def tlv(items):
    out = b"\x01\x01"
    for key, value in items.items():
        if isinstance(value, str):
            v = (11, struct.pack(">H", len(value)) + value.encode())
        else:
            v = (2, struct.pack(">B", value)) if value < 256 else (3, struct.pack(">H", value)) if value < 65536 else (4, struct.pack(">I", value))
        k = (3, struct.pack(">H", int(key))) if key.isdigit() else (11, struct.pack(">H", len(key)) + key.encode())
        out += bytes([k[0] << 4 | v[0]]) + k[1] + v[1]
    return out + b"\x01"
# Until somebody subscribes, nothing arrives.
time.sleep(float(sys.argv[2]))
port = 1
for form in (24, 28, 36, 40):
    for make in (numbers, names):
        for pack in (lambda p: p, lambda p: (b"" if form == 36 else b"\0") + zlib.compress(p)):
            one, two = json.dumps(make(port)), json.dumps(make(port + 1))
            send(form, pack(one.encode()))
            send(form, pack(("[" + two + "]").encode()))
            port += 2
    send(form, tlv(numbers(port)) + tlv(names(port + 1))[2:], tlv=True)
    port += 2
# Hostile, each of which is counted.
send(24, b"{\"8\":")
send(24, b"\0" + zlib.compress(b" " * (64 << 20)))
send(24, b"[" * 100000)
send(24, b"\x01\x01\x2b\x08\xff\xff", tlv=True)
send(24, b"{}", topic=b"event")
publisher.send_multipart([b"x" * 24])
publisher.send_multipart([b"x" * 23, b"{}"])
number += 5
send(24, json.dumps(numbers(port)).encode())
time.sleep(1)
"#;

fn python(test: &str) -> Option<PathBuf> {
    let python = process::cache().join("venv/bin/python");
    let loads = Command::new(&python).args(["-c", "import zmq"]).output();
    let usable = loads.is_ok_and(|o| o.status.success());
    if !usable {
        skip(test, &format!("{} has no module zmq", python.display()));
    }
    usable.then_some(python)
}

#[test]
fn what_libzmq_publishes_as_nprobe_is_read() {
    let Some(python) = python("what_libzmq_publishes_as_nprobe_is_read") else { return };
    let (dir, url) = (tempfile::tempdir().unwrap(), format!("tcp://127.0.0.1:{}", free_port().unwrap()));
    let file = dir.path().join("records.jsonl");
    // It connects to a publisher that is not there yet.
    let collector = Collector::start(&["--zmq-from", &url, "--json", file.to_str().unwrap()]).unwrap();
    let _publisher = Guarded::new(Command::new(python).args(["-c", NPROBE, &url, "15"]).spawn().unwrap());
    let (forms, records) = (4, 2 * 2 * 2 + 2);
    wait_for(&file, forms * records + 1);
    for (record, port) in collected(&file).iter().zip(1_u64..) {
        let number = |name: &str| record[name].as_u64();
        assert_eq!((number("L4_SRC_PORT"), number("SRC_PROC_PID")), (Some(port), Some(4242)), "{record:?}");
        assert_eq!((number("IN_BYTES"), number("FIRST_SWITCHED")), (Some(1500), Some(1_767_225_600)));
        assert_eq!((&record["SRC_PROC_NAME"], &record["IPV4_DST_ADDR"]), (&"curl".into(), &"10.0.0.2".into()));
    }
    let count = |event| collector.event(event).unwrap();
    eventually("a gap", || Ok(count("lost-datagrams") > 0)).unwrap();
    let all = ["bad-payload", "other-topic", "unknown-version", "lost-datagrams", "unknown-key"].map(count);
    assert_eq!(all, [4, 1, 2, 5, 0]);
    drop(collector.stop().unwrap());
}

/// Peers that connect and are no publishers.
#[test]
fn peers_that_are_no_publishers_are_disconnected_and_counted() {
    let port = free_port().unwrap();
    let collector = Collector::start(&["--zmq-from", &format!("tcp://127.0.0.1:{port}c")]).unwrap();
    let greeting = |mechanism: &[u8]| {
        let mut all = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0][..], mechanism].concat();
        all.resize(64, 0);
        all
    };
    let huge = [&[2][..], &u64::MAX.to_be_bytes()].concat();
    let peers = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        greeting(b"CURVE"),
        [greeting(b"NULL"), b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB".to_vec()].concat(),
        [greeting(b"NULL"), huge].concat(),
    ];
    for (n, octets) in (1..).zip(peers) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&octets).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // Until it is closed, which may reset the connection.
        let _ = stream.read_to_end(&mut Vec::new());
        eventually("the refusal", || Ok(collector.event("bad-peer")? == n)).unwrap();
    }
    assert!(collector.log().contains("ZMTP 3"), "{}", collector.log());
    drop(collector.stop().unwrap());
}
