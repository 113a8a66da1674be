//! A small decoder of IPFIX and NetFlow v9, strict about lengths, that shares nothing with the encoders.

use std::collections::{HashMap, HashSet};

/// An element as a template names it: enterprise number and id.
pub(crate) type Key = (Option<u32>, u16);

/// The octets of each element of one record.
pub(crate) type Record = Vec<(Key, Vec<u8>)>;

/// One message.
pub(crate) struct Message {
    /// The header's octets.
    pub(crate) header: Vec<u8>,
    /// Template records in it.
    pub(crate) templates: usize,
    /// Data records in it that are not options records.
    pub(crate) records: Vec<Record>,
    /// Options records in it.
    pub(crate) options: Vec<Record>,
}

/// Templates seen so far.
#[derive(Default)]
pub(crate) struct Decoder {
    templates: HashMap<u16, Vec<(Key, u16)>>,
    options: HashSet<u16>,
}

fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, tail) = input.split_at(n);
    *input = tail;
    head
}

fn u16(input: &mut &[u8]) -> u16 {
    u16::from_be_bytes(take(input, 2).try_into().unwrap())
}

impl Decoder {
    /// Panics on anything malformed.
    pub(crate) fn message(&mut self, bytes: &[u8]) -> Message {
        let ipfix = bytes[1] == 10;
        let mut input = bytes;
        let header = take(&mut input, if ipfix { 16 } else { 20 }).to_vec();
        let mut message = Message { header, templates: 0, records: Vec::new(), options: Vec::new() };
        while !input.is_empty() {
            let id = u16(&mut input);
            let length = usize::from(u16(&mut input));
            assert!(length > 4, "an empty set");
            assert!(ipfix || length % 4 == 0, "a FlowSet that is not aligned");
            let body = take(&mut input, length - 4);
            match id {
                0 | 2 => message.templates += self.learn(body, ipfix),
                3 => self.learn_options(body),
                _ if self.options.contains(&id) => message.options.extend(self.data(id, body, ipfix)),
                _ => message.records.extend(self.data(id, body, ipfix)),
            }
        }
        message
    }

    fn learn(&mut self, mut body: &[u8], ipfix: bool) -> usize {
        let mut count = 0;
        while body.len() >= 4 {
            let (id, fields) = (u16(&mut body), u16(&mut body));
            if fields == 0 && ipfix {
                assert!(self.templates.remove(&id).is_some(), "{id} is withdrawn and was never announced");
                assert_eq!(count, 0, "a withdrawal beside a template");
                continue;
            }
            assert!(fields > 0, "NetFlow v9 has no withdrawals");
            let fields = (0..fields).map(|_| specifier(&mut body, ipfix)).collect();
            let before = self.templates.insert(id, fields);
            assert!(before.is_none_or(|before| before == self.templates[&id]), "{id} has another meaning now");
            count += 1;
        }
        assert!(body.iter().all(|b| *b == 0));
        count
    }

    fn learn_options(&mut self, mut body: &[u8]) {
        while body.len() >= 6 {
            let (id, fields, scopes) = (u16(&mut body), u16(&mut body), u16(&mut body));
            assert!(scopes > 0 && scopes <= fields, "a scope count of {scopes}");
            let fields = (0..fields).map(|_| specifier(&mut body, true)).collect();
            self.templates.insert(id, fields);
            self.options.insert(id);
        }
    }

    fn data(&self, id: u16, mut body: &[u8], ipfix: bool) -> Vec<Record> {
        let template = self.templates.get(&id).expect("data before its template");
        let shortest: usize = template.iter().map(|(_, n)| if *n == 0xffff { 1 } else { usize::from(*n) }).sum();
        let mut records = Vec::new();
        while body.len() >= shortest && (ipfix || body.len() >= 4) {
            records.push(template.iter().map(|(key, n)| (*key, value(&mut body, *n))).collect());
        }
        assert!(body.iter().all(|b| *b == 0) && body.len() < 4);
        records
    }
}

fn specifier(body: &mut &[u8], ipfix: bool) -> (Key, u16) {
    let (id, length) = (u16(body), u16(body));
    if ipfix && id & 0x8000 != 0 {
        let pen = u32::from_be_bytes(take(body, 4).try_into().unwrap());
        return ((Some(pen), id & 0x7fff), length);
    }
    ((None, id), length)
}

fn value(body: &mut &[u8], length: u16) -> Vec<u8> {
    let length = match length {
        0xffff => match take(body, 1)[0] {
            255 => u16(body).into(),
            n => usize::from(n),
        },
        n => usize::from(n),
    };
    take(body, length).to_vec()
}
