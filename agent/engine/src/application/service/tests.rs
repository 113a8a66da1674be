//! Messages made by hand: those that count, and those that only look so.

use super::*;
use crate::application::streams::Streams;

fn be32(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}

fn mysql(number: u8, body: &[u8]) -> Vec<u8> {
    let [l0, l1, l2, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[l0, l1, l2, number], body].concat()
}

fn postgresql(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &be32(body.len() + 4), body].concat()
}

fn startup(body: &[u8]) -> Vec<u8> {
    [&be32(body.len() + 4)[..], body].concat()
}

fn mongodb(answers: u8, operation: u16, front: &[u8], command: &str) -> Vec<u8> {
    let document = [&[0; 4][..], &[2], command.as_bytes(), b"\0\x07\0\0\0secret\0\0"].concat();
    let body = [front, &document].concat();
    let [l0, l1, l2, l3] = u32::try_from(16 + body.len()).unwrap().to_le_bytes();
    let [o0, o1] = operation.to_le_bytes();
    [&[l0, l1, l2, l3, 1, 0, 0, 0, answers, 0, 0, 0, o0, o1, 0, 0][..], &body].concat()
}

fn kafka(request: u16, version: u16, number: u32, client: &str) -> Vec<u8> {
    let octets = u16::try_from(client.len()).unwrap().to_be_bytes();
    let parts = [
        &request.to_be_bytes()[..],
        &version.to_be_bytes(),
        &number.to_be_bytes(),
        &octets,
        client.as_bytes(),
        b"rest",
    ];
    let body = parts.concat();
    [&be32(body.len())[..], &body].concat()
}

fn greeting(version: &str) -> Vec<u8> {
    mysql(0, &[&[10][..], version.as_bytes(), &[0, 9, 0, 0, 0], b"challeng", &[0], &[0xff; 20]].concat())
}

/// As the picker and the watch read it. A response proves nothing without its request.
fn seen(data: &[u8]) -> Option<(Kind, Option<&'static str>)> {
    let octets = super::super::signature::tcp(data)?.min(data.len());
    let message = read(&data[..octets], None)?;
    message.numbers.is_none_or(|numbers| numbers.as_request.is_some()).then_some(())?;
    Some((message.kind, message.request))
}

fn cases() -> Vec<(Vec<u8>, Kind, Option<&'static str>)> {
    let long = [&b"select '"[..], &[b'x'; 4000], b"'\0"].concat();
    let prepared = [postgresql(b'P', b"name\0update t set a = $1\0\0\0"), postgresql(b'S', b"")].concat();
    vec![
        (b"*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$6\r\nsecret\r\n".to_vec(), Kind::Redis, Some("SET")),
        (b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n".to_vec(), Kind::Redis, Some("AUTH")),
        (b"*2\r\n$4\r\nMGET\r\n".to_vec(), Kind::Redis, Some("MGET")),
        (startup(b"\0\x03\0\0user\0alice\0\0"), Kind::PostgreSql, None),
        (startup(b"\x04\xd2\x16\x2f"), Kind::PostgreSql, None),
        (startup(b"\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"), Kind::PostgreSql, Some("CANCEL")),
        (postgresql(b'Q', b"INSERT INTO t VALUES ('secret')\0"), Kind::PostgreSql, Some("INSERT")),
        (postgresql(b'Q', &long), Kind::PostgreSql, Some("SELECT")),
        (prepared, Kind::PostgreSql, Some("UPDATE")),
        (greeting("8.0.36"), Kind::MySql, None),
        (greeting("5.5.5-10.6.12-MariaDB"), Kind::MySql, None),
        (mysql(0, b"\x03select 'secret'"), Kind::MySql, Some("SELECT")),
        (mysql(0, b"\x16delete from t where a = ?"), Kind::MySql, Some("DELETE")),
        (mongodb(0, 2013, &[0, 0, 0, 0, 0], "find"), Kind::MongoDb, Some("find")),
        (
            mongodb(0, 2004, b"\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff", "ismaster"),
            Kind::MongoDb,
            Some("isMaster"),
        ),
        (kafka(18, 3, 7, "console-producer"), Kind::Kafka, Some("ApiVersions")),
        (b"AMQP\0\0\x09\x01".to_vec(), Kind::Amqp, None),
        (b"AMQP\x03\x01\0\0".to_vec(), Kind::Amqp, None),
        (b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02id".to_vec(), Kind::Mqtt, None),
        (b"INFO {\"server_id\":\"a\"}\r\n".to_vec(), Kind::Nats, None),
    ]
}

#[test]
fn messages_are_recognised_with_their_request() {
    for (data, kind, request) in cases() {
        assert_eq!(seen(&data), Some((kind, request)), "{:?}", String::from_utf8_lossy(&data));
    }
}

/// A message cut by the capture proves nothing, and no other protocol is found in it.
#[test]
fn cut_anywhere_it_is_the_same_or_nothing() {
    for (data, kind, request) in cases() {
        for octets in 0..data.len() {
            let Some((found, word)) = seen(&data[..octets]) else { continue };
            assert_eq!((found, word), (kind, request), "cut at {octets}");
        }
    }
}

#[test]
fn what_looks_alike_does_not_count() {
    let longer = |data: Vec<u8>| [&data[..], b"x"].concat();
    let others = [
        // Answers of servers, whose first element is a value.
        b"*2\r\n$6\r\nsecret\r\n$3\r\nkey\r\n".to_vec(),
        b"*0\r\n".to_vec(),
        b"*3\r\n$99\r\nset\r\n".to_vec(),
        b"*3\r\n$3\r\nsets\r\n".to_vec(),
        longer(startup(b"\0\x03\0\0user\0alice\0\0")),
        startup(b"\0\x03\0\0name\0alice\0\0"),
        postgresql(b'Q', b"secret\0"),
        longer(postgresql(b'Q', b"SELECT 1\0")),
        mysql(1, b"\x03select 1"),
        mysql(0, b"\x03secret"),
        mysql(0, b"\x01select 1"),
        longer(mysql(0, b"\x03select 1")),
        greeting("version"),
        mongodb(1, 2013, &[0, 0, 0, 0, 0], "find"),
        mongodb(0, 2013, &[0, 0, 0, 0, 0], "secret"),
        mongodb(0, 2012, &[0, 0, 0, 0, 0], "find"),
        longer(mongodb(0, 2013, &[0, 0, 0, 0, 0], "find")),
        longer(kafka(18, 3, 7, "rdkafka")),
        b"AMQP\x09\x09\x09\x09".to_vec(),
        b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x02id".to_vec(),
        b"INFO {\"server_id".to_vec(),
        b"INFO 1\r\n".to_vec(),
    ];
    for data in others {
        assert_eq!(seen(&data), None, "{:?}", String::from_utf8_lossy(&data));
    }
}

/// A number that only one end has sent proves nothing: what else has its length in front would be Kafka.
#[test]
fn kafka_needs_both_ends() {
    let number = |data: &[u8]| read(data, None).and_then(|message| message.numbers?.as_request);
    assert_eq!(number(&kafka(3, 2, 130, "rdkafka")), Some(130));
    assert_eq!(number(&kafka(3, 2, 130, "")), None, "a request of ZooKeeper looks so");
    let response = [&be32(6)[..], &be32(130), b"ab"].concat();
    assert_eq!(number(&response), None);
    let mut streams = Streams::default();
    let mut pair = |data: &[u8], is_from_high: bool| {
        let message = read(data, None).unwrap();
        streams.pair(message.numbers.unwrap(), message.request, is_from_high)
    };
    assert_eq!(pair(&kafka(3, 2, 130, "rdkafka"), true), None);
    assert_eq!((pair(&response, true), pair(&response, false)), (None, Some("Metadata")));
    assert_eq!(pair(&response, false), None, "it is answered once");
    // This response could be a request too.
    assert_eq!(pair(&kafka(1, 2, 9, "rdkafka"), true), None);
    assert_eq!(pair(&kafka(0, 9, 1, "a topic"), false), Some("Fetch"));
}

#[test]
fn requests_of_nats_count_where_it_is_known() {
    let request = |data: &[u8]| read(data, Some(Kind::Nats)).and_then(|message| message.request);
    assert_eq!(request(b"PUB subject 6\r\nsecret\r\n"), Some("PUB"));
    assert_eq!(request(b"CONNECT {\"auth_token\":\"secret\"}\r\n"), None);
    assert_eq!(read(b"PUB subject 6\r\nsecret\r\n", None), None);
}
