//! The first request and response of HTTP/2 without TLS (RFC 9113).

use std::borrow::Cow;

use loona_hpack::Decoder;
use pidflow_schema::record::Http;

use super::reading::Reading;
use super::request_line::described;

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags and stream (section 4.1).
const FRAME_HEADER: usize = 9;
/// The greatest frame that an end may send without being allowed more (section 4.2).
const MAX_FRAME: usize = 16_384;
/// The greatest number of frames that are read to find the first headers.
const MAX_FRAMES: usize = 32;
/// The greatest dynamic table of an end that has not been allowed more (section 6.5.2), bytes.
const MAX_TABLE: usize = 4096;
/// Types of frames (section 6).
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
/// Flags of headers (section 6.2).
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// What one field block says.
#[derive(Debug, Default)]
struct Fields {
    method: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    status: Option<u16>,
}

/// Reads the first request in what a client sends.
pub(super) fn request(bytes: &[u8]) -> Reading<Http> {
    let Some(frames) = bytes.strip_prefix(PREFACE) else {
        return if PREFACE.starts_with(bytes) { Reading::Incomplete } else { Reading::Other };
    };
    first(frames, |fields| {
        let Fields { method, authority, host, path, user_agent, status: _ } = fields;
        let [host, path, user_agent] = [authority.or(host), path, user_agent].map(Option::unwrap_or_default);
        Some(described(&method?, &String::from_utf8_lossy(&path), &host, &user_agent))
    })
}

/// Reads the status code of the first final response in what a server sends.
pub(super) fn status(bytes: &[u8]) -> Reading<u16> {
    first(bytes, |fields| fields.status.filter(|status| *status >= 200))
}

/// Whether the first request, or the first final status, is in what an end sends; none: it is not HTTP/2.
pub(super) fn is_whole(bytes: &[u8]) -> Option<bool> {
    let reading = if bytes.starts_with(b"PRI") { request(bytes).map(drop) } else { status(bytes).map(drop) };
    match reading {
        Reading::Found(()) => Some(true),
        Reading::Incomplete => Some(false),
        Reading::Other => None,
    }
}

/// The first field block that says what is wanted.
fn first<T>(frames: &[u8], wanted: impl Fn(Fields) -> Option<T>) -> Reading<T> {
    let mut decoder = Decoder::new();
    decoder.set_max_allowed_table_size(MAX_TABLE);
    for block in Blocks::new(frames) {
        match block {
            Reading::Found(block) => match fields(&mut decoder, &block).map(&wanted) {
                Some(Some(found)) => return Reading::Found(found),
                Some(None) => {}
                None => return Reading::Other,
            },
            Reading::Incomplete => return Reading::Incomplete,
            Reading::Other => return Reading::Other,
        }
    }
    Reading::Other
}

/// Decodes a field block (RFC 7541).
fn fields(decoder: &mut Decoder<'_>, block: &[u8]) -> Option<Fields> {
    let mut fields = Fields::default();
    let keep = |place: &mut Option<Vec<u8>>, value: Cow<'_, [u8]>| _ = place.get_or_insert_with(|| value.into_owned());
    let decoded = decoder.decode_with_cb(block, |name, value| match &*name {
        b":method" => keep(&mut fields.method, value),
        b":authority" => keep(&mut fields.authority, value),
        b"host" => keep(&mut fields.host, value),
        b":path" => keep(&mut fields.path, value),
        b"user-agent" => keep(&mut fields.user_agent, value),
        b":status" => fields.status = std::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok()),
        _ => {}
    });
    decoded.ok().map(|()| fields)
}

/// The field blocks in the frames of one end, in order. The first frame must be SETTINGS (section 3.4).
struct Blocks<'a> {
    rest: &'a [u8],
    frames: usize,
}

impl<'a> Blocks<'a> {
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest, frames: 0 }
    }

    /// The next frame: type, flags, content.
    fn frame(&mut self) -> Reading<(u8, u8, &'a [u8])> {
        let Some(([l0, l1, l2, kind, flags, ..], after)) = self.rest.split_first_chunk::<FRAME_HEADER>() else {
            return Reading::Incomplete;
        };
        let octets = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
        let is_first = self.frames == 0;
        if octets > MAX_FRAME || self.frames >= MAX_FRAMES || (is_first && *kind != SETTINGS) {
            return Reading::Other;
        }
        let Some((content, rest)) = after.split_at_checked(octets) else { return Reading::Incomplete };
        (self.rest, self.frames) = (rest, self.frames + 1);
        Reading::Found((*kind, *flags, content))
    }

    /// Adds the continuations of headers.
    fn continued(&mut self, mut block: Vec<u8>, mut flags: u8) -> Reading<Vec<u8>> {
        while flags & END_HEADERS == 0 {
            match self.frame() {
                Reading::Found((CONTINUATION, more, content)) => {
                    block.extend_from_slice(content);
                    flags = more;
                }
                Reading::Incomplete => return Reading::Incomplete,
                Reading::Found(_) | Reading::Other => return Reading::Other,
            }
        }
        Reading::Found(block)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Reading<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.frame() {
                Reading::Found((HEADERS, flags, content)) => {
                    let block = without_padding(flags, content).map(<[u8]>::to_vec);
                    return Some(block.map_or(Reading::Other, |block| self.continued(block, flags)));
                }
                Reading::Found(_) => {}
                Reading::Incomplete => return Some(Reading::Incomplete),
                Reading::Other => return Some(Reading::Other),
            }
        }
    }
}

/// RFC 9113 section 6.2: the length of the padding, and five bytes of priority, stand before the fields.
fn without_padding(flags: u8, content: &[u8]) -> Option<&[u8]> {
    let (padding, content) = if flags & PADDED == 0 {
        (0, content)
    } else {
        content.split_first().map(|(n, rest)| (usize::from(*n), rest))?
    };
    let content = if flags & PRIORITY == 0 { content } else { content.get(5..)? };
    content.get(..content.len().checked_sub(padding)?)
}
