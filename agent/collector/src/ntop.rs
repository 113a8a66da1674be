//! Messages of nProbe and pidflow over ZeroMQ, as ntopng receives them: a header, and a payload of JSON or TLV.

use std::io::Read;

use flate2::read::ZlibDecoder;
use pidflow_schema::ntop_message::FLOW_TOPIC;
use pidflow_schema::{NtopCompression, NtopHeader};
use serde_json::{Deserializer, Map, Value as Json};

use crate::counters::Event;
use crate::tlv;

/// The longest payload after it was unpacked, octets; nProbe's buffers are smaller.
const MAX_PAYLOAD: u64 = 4 << 20;

/// A message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) header: NtopHeader<'a>,
    payload: &'a [u8],
    header_octets: usize,
}

impl<'a> Message<'a> {
    /// An error says why it is none.
    pub(crate) fn new(frames: &'a [Vec<u8>]) -> Result<Self, Event> {
        let [header, payload] = frames else { return Err(Event::UnknownVersion) };
        let read = NtopHeader::read(header).ok_or(Event::UnknownVersion)?;
        Ok(Self { header: read, payload, header_octets: header.len() })
    }

    pub(crate) const fn octets(&self) -> usize {
        self.header_octets + self.payload.len()
    }

    /// Hands its objects to `put`; `buffer` is used for what was compressed. An error says why there are none, or not all.
    pub(crate) fn objects(&self, buffer: &mut Vec<u8>, put: impl FnMut(&Map<String, Json>)) -> Result<(), Event> {
        if self.header.topic != FLOW_TOPIC.as_bytes() {
            return Err(Event::OtherTopic);
        }
        let payload = self.unpacked(buffer).ok_or(Event::BadPayload)?;
        let read = if self.header.is_tlv { tlv::records(payload, put) } else { json(payload, put) };
        read.ok_or(Event::BadPayload)
    }

    fn unpacked<'b>(&self, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        let packed = match (self.header.compression, self.payload) {
            (NtopCompression::Zlib, packed) => packed,
            (NtopCompression::ByFirstOctet, [0, packed @ ..]) => packed,
            _ => return Some(self.payload),
        };
        // ntop's version 3 keeps the octet that says so in older ones.
        let packed = packed.strip_prefix(&[0]).unwrap_or(packed);
        let length = ZlibDecoder::new(packed).take(MAX_PAYLOAD + 1).read_to_end(buffer).ok()?;
        (length as u64 <= MAX_PAYLOAD).then_some(buffer.as_slice())
    }
}

/// Objects one after the other, or lists of them. None: the rest is something else.
fn json(payload: &[u8], mut put: impl FnMut(&Map<String, Json>)) -> Option<()> {
    // C's texts end with a zero.
    let text = payload.strip_suffix(&[0]).unwrap_or(payload);
    for value in Deserializer::from_slice(text).into_iter::<Json>() {
        match value.ok()? {
            Json::Object(object) => put(&object),
            Json::Array(all) => {
                for one in &all {
                    put(one.as_object()?);
                }
            }
            _ => return None,
        }
    }
    Some(())
}
