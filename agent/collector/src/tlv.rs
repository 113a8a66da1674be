//! The TLV of nDPI's serializer (`src/lib/ndpi_serializer.c`, `src/include/ndpi_typedefs.h`), in which nProbe sends records over
//! ZeroMQ: version, format, and items. An item begins with an octet of two types, the key's in the upper four bits and the value's in
//! the lower; the key and the value follow. Numbers are in network byte order; texts have their length before them, in two octets.

use serde_json::{Map, Number, Value as Json};

use crate::octets::{Octets, signed, unsigned};

/// Version and format of the serializer.
const PREFIX: [u8; 2] = [1, 1];
const END_OF_RECORD: u8 = 1;
const UNSIGNED_8: u8 = 2;
const UNSIGNED_64: u8 = 5;
const SIGNED_8: u8 = 6;
const SIGNED_64: u8 = 9;
const FLOAT: u8 = 10;
const TEXT: u8 = 11;
const START_OF_BLOCK: u8 = 12;
const END_OF_LIST: u8 = 15;

/// Hands each record to `put`, its keys as text. None: the rest contradicts itself.
pub(crate) fn records(payload: &[u8], mut put: impl FnMut(&Map<String, Json>)) -> Option<()> {
    let mut octets = Octets::new(payload.strip_prefix(&PREFIX)?);
    let mut record = Map::new();
    while let Some(types) = octets.u8() {
        let (key, value) = (types >> 4, types & 15);
        match (key, value) {
            (0, END_OF_RECORD) => put(&std::mem::take(&mut record)),
            (0, 0) if octets.is_zero() => break,
            // What is inside of a block are items too, of which records of flows have none.
            (_, START_OF_BLOCK..=END_OF_LIST) => _ = value_of(key, &mut octets),
            _ => {
                let key = text_of(value_of(key, &mut octets)?)?;
                record.insert(key, value_of(value, &mut octets)?);
            }
        }
    }
    if !record.is_empty() {
        put(&record);
    }
    Some(())
}

fn text_of(key: Json) -> Option<String> {
    match key {
        Json::String(text) => Some(text),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A key or a value of this type.
fn value_of(kind: u8, octets: &mut Octets<'_>) -> Option<Json> {
    match kind {
        UNSIGNED_8..=UNSIGNED_64 => unsigned(octets.take(1 << (kind - UNSIGNED_8))?).map(Json::from),
        SIGNED_8..=SIGNED_64 => signed(octets.take(1 << (kind - SIGNED_8))?).map(Json::from),
        // In the sender's byte order.
        FLOAT => Some(Number::from_f64(f32::from_ne_bytes(octets.array()?).into()).map_or(Json::Null, Json::Number)),
        TEXT => {
            let length = octets.u16()?;
            Some(Json::String(String::from_utf8_lossy(octets.take(length.into())?).into_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(payload: &[u8]) -> (Vec<String>, bool) {
        let mut all = Vec::new();
        let done = records(payload, |record| all.push(serde_json::to_string(record).unwrap())).is_some();
        (all, done)
    }

    /// The examples in the comments of synfinatic/netflow2ng, an encoder of the same format.
    #[test]
    fn examples_of_another_encoder() {
        let payload =
            [&[1, 1, 0x22, 0x0a, 0x0b, 0x23, 0x0b, 0x1f, 0x46][..], &[0x2b, 0x82, 0, 12], b"172.16.1.254", &[1]]
                .concat();
        assert_eq!(all(&payload), (vec![r#"{"10":11,"11":8006,"130":"172.16.1.254"}"#.to_owned()], true));
    }

    #[test]
    fn every_type() {
        let items: [&[u8]; 5] = [
            &[1, 1, 0x35, 0xe1, 0x28, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x26, 1, 0xff, 0x27, 2, 0xff, 0xfe, 0x28, 3, 0xff, 0xff, 0xff, 0xfd],
            &[0xb4, 0, 1, b'x', 0, 0, 1, 0, 1],
            &[0xb2, 0, 1, b'y', 7, 0, 0],
            &[],
        ];
        let two = [r#"{"57640":4294967296,"1":-1,"2":-2,"3":-3,"x":256}"#, r#"{"y":7}"#];
        let (got, done) = all(&items.concat());
        let as_json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        assert_eq!(got.iter().map(|g| as_json(g)).collect::<Vec<_>>(), two.map(as_json));
        assert!(done);
        let (floats, _) = all(&[&[1, 1, 0x2a, 5][..], &1.5_f32.to_ne_bytes()].concat());
        assert_eq!(floats, [r#"{"5":1.5}"#]);
    }

    #[test]
    fn what_contradicts_itself_ends_the_message() {
        for payload in [&[1, 1, 0x22, 10][..], &[1, 1, 0x2b, 1, 0, 9, b'x'], &[2, 1], &[1, 2], &[], &[1, 1, 0x52, 1]] {
            assert!(!all(payload).1, "{payload:?}");
        }
        assert_eq!(all(&[1, 1, 0x22, 1, 2, 1, 0x2f]).0.len(), 1, "what was whole before it is a record");
    }
}
