//! The header frame of ntop's messages over ZeroMQ, which pidflow's exporter writes and its collector reads.
//!
//! A message has two frames: this header, and the payload. The layouts are those of ntopng's C structs `zmq_msg_hdr_v0` to
//! `zmq_msg_hdr_v3` (`include/ntop_typedefs.h`) with the compiler's own padding; which of them a frame is goes by its length. The
//! number of the message is in network byte order, everything else in the machine's.

/// The topic of flows.
pub const FLOW_TOPIC: &str = "flow";
/// Version of messages whose number is in the machine's byte order (`ZMQ_COMPATIBILITY_MSG_VERSION`).
const VERSION_HOST_ORDER: u8 = 1;
/// Version of messages of JSON (`ZMQ_MSG_VERSION`).
const VERSION_JSON: u8 = 2;
/// Version of messages of type, length and value (`ZMQ_MSG_VERSION_TLV`).
const VERSION_TLV: u8 = 3;
/// The latest version, whose header has flags.
const VERSION_FLAGS: u8 = 4;
/// The payload is TLV.
const FLAG_TLV: u8 = 2;
/// The payload is compressed.
const FLAG_COMPRESSED: u8 = 4;
/// Octets of the topic, from the second layout on.
const TOPIC: usize = 16;
/// Octets of the topic in the first layout.
const OLD_TOPIC: usize = 32;

/// A layout of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NtopHeaderForm {
    /// 40 octets, without a number; from before 2016. It is only read.
    V0,
    /// 24 octets, with a source of eight bits.
    V1,
    /// 28 octets, with a source of 32 bits.
    V2,
    /// 36 octets, with flags.
    V3,
}

/// How the payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NtopCompression {
    /// The header says so.
    Zlib,
    /// The header does not say: a payload that begins with an octet 0 is zlib's after it.
    ByFirstOctet,
    /// It is not.
    None,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NtopHeader<'a> {
    /// What the message is about, such as [`FLOW_TOPIC`]; at most 16 octets are written.
    pub topic: &'a [u8],
    /// The message's number, from 1 on; none: the layout has none.
    pub number: Option<u32>,
    /// Number of the publisher's instance.
    pub source: u32,
    /// Octets of the payload.
    pub octets: u32,
    /// Whether the payload is TLV of nDPI, and not JSON.
    pub is_tlv: bool,
    /// How the payload is compressed.
    pub compression: NtopCompression,
}

impl<'a> NtopHeader<'a> {
    /// The header of a message of flows in JSON.
    #[must_use]
    pub const fn of_flows(number: u32, source: u32, octets: u32) -> Self {
        let (topic, number) = (FLOW_TOPIC.as_bytes(), Some(number));
        Self { topic, number, source, octets, is_tlv: false, compression: NtopCompression::None }
    }

    /// Reads a frame; none: it is no header.
    #[must_use]
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let (mut rest, long) = (Fields(frame), frame.len() == 40);
        let topic = rest.take(if long { OLD_TOPIC } else { TOPIC })?;
        let topic = topic.split(|octet| *octet == 0).next()?;
        let version = if long { u8::try_from(rest.u32()?).ok()? } else { rest.u8()? };
        let second = if long { 0 } else { rest.u8()? };
        let (mut number, mut source) = (None, 0);
        let octets = match frame.len() {
            40 => rest.u32()?,
            24 | 28 => rest.u16()?.into(),
            36 => {
                rest.u16()?;
                let [_, sent] = [rest.u32()?, rest.u32()?];
                sent
            }
            _ => return None,
        };
        if !long {
            let told: [u8; 4] = rest.take(4)?.try_into().ok()?;
            let host_order = version == VERSION_HOST_ORDER;
            number = Some(if host_order { u32::from_ne_bytes(told) } else { u32::from_be_bytes(told) });
            source = if frame.len() == 24 { second.into() } else { rest.u32()? };
        }
        let flags = if frame.len() == 36 { second } else { 0 };
        let compression = match frame.len() {
            36 if flags & FLAG_COMPRESSED != 0 => NtopCompression::Zlib,
            36 => NtopCompression::None,
            _ => NtopCompression::ByFirstOctet,
        };
        let is_tlv = version == VERSION_TLV || flags & FLAG_TLV != 0;
        (version <= VERSION_FLAGS).then_some(Self { topic, number, source, octets, is_tlv, compression })
    }

    /// The frame in this layout. What the layout has no room for is cut off.
    #[must_use]
    pub fn write(&self, form: NtopHeaderForm) -> Vec<u8> {
        let room = if form == NtopHeaderForm::V0 { OLD_TOPIC } else { TOPIC };
        let mut frame = self.topic.get(..room).unwrap_or(self.topic).to_vec();
        frame.resize(room, 0);
        let number = self.number.unwrap_or_default().to_be_bytes();
        let short = u16::try_from(self.octets).unwrap_or(u16::MAX).to_ne_bytes();
        let version = if self.is_tlv { VERSION_TLV } else { VERSION_JSON };
        let [low, ..] = self.source.to_le_bytes();
        match form {
            NtopHeaderForm::V0 => [u32::from(version), self.octets].iter().for_each(|n| frame.extend(n.to_ne_bytes())),
            NtopHeaderForm::V1 => frame.extend([&[version, low], &short[..], &number].concat()),
            NtopHeaderForm::V2 => {
                frame.extend([&[version, 0], &short[..], &number, &self.source.to_ne_bytes()].concat());
            }
            NtopHeaderForm::V3 => {
                let compressed = if self.compression == NtopCompression::Zlib { FLAG_COMPRESSED } else { 0 };
                let flags = compressed | if self.is_tlv { FLAG_TLV } else { 0 };
                let octets = self.octets.to_ne_bytes();
                frame.extend([VERSION_FLAGS, flags, 0, 0]);
                frame.extend([octets, octets, number, self.source.to_ne_bytes()].concat());
            }
        }
        frame
    }
}

/// The rest of a frame.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_laid_out_as_ntopngs_structs() {
        let header = NtopHeader::of_flows(2, 7, 0x0102).write(NtopHeaderForm::V1);
        assert_eq!((header.len(), &header[..5], header[16], header[17]), (24, b"flow\0".as_slice(), 2, 7));
        assert_eq!(header[18..20], 0x0102_u16.to_ne_bytes());
        assert_eq!(header[20..24], [0, 0, 0, 2]);
        let header = NtopHeader::of_flows(1, 70_000, 1).write(NtopHeaderForm::V2);
        assert_eq!((header.len(), header[17]), (28, 0));
        assert_eq!(header[24..28], 70_000_u32.to_ne_bytes());
        let header = NtopHeader::of_flows(1, 70_000, 1).write(NtopHeaderForm::V3);
        assert_eq!((header.len(), &header[16..20]), (36, [4, 0, 0, 0].as_slice()));
        assert_eq!(NtopHeader::of_flows(1, 0, 1).write(NtopHeaderForm::V0).len(), 40);
    }

    #[test]
    fn what_was_written_is_read() {
        let all = [
            (NtopHeaderForm::V0, None, 0, NtopCompression::ByFirstOctet),
            (NtopHeaderForm::V1, Some(3), 9, NtopCompression::ByFirstOctet),
            (NtopHeaderForm::V2, Some(3), 70_000, NtopCompression::ByFirstOctet),
            (NtopHeaderForm::V3, Some(3), 70_000, NtopCompression::Zlib),
        ];
        for (form, number, source, compression) in all {
            for is_tlv in [false, true] {
                let sent = NtopHeader { topic: b"event", number, source, octets: 5, is_tlv, compression };
                assert_eq!(NtopHeader::read(&sent.write(form)), Some(sent), "{form:?}");
            }
        }
        let mut old = NtopHeader::of_flows(1, 0, 1).write(NtopHeaderForm::V1);
        old[16] = 1;
        assert_eq!(NtopHeader::read(&old).unwrap().number, Some(u32::from_ne_bytes([0, 0, 0, 1])));
    }

    #[test]
    fn other_frames_are_none() {
        for length in 0..50 {
            let is_one = [24, 28, 36, 40].contains(&length);
            assert_eq!(NtopHeader::read(&vec![0; length]).is_some(), is_one, "{length}");
        }
        assert_eq!(NtopHeader::read(&[9; 24]), None);
    }
}
