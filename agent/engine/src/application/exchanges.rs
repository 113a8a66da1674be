//! How long servers take to answer requests of HTTP/1.

use std::mem;

use pidflow_schema::record::ApplicationLatency;

use super::piece::Piece;

/// The greatest number of requests that wait for their responses on one connection (pipelining). Further ones are not measured, and
/// neither are any after them.
const MAX_WAITING: usize = 3;
/// The longest first line of a request that is recognised, bytes.
const MAX_LINE: usize = 8192;

/// The beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Request,
    /// A final response, or the one after which another protocol follows.
    Response,
}

/// The exchanges of a connection.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    total_us: u64,
    max_us: u32,
    answered: u32,
    /// When the requests began that were not answered yet, microseconds modulo 2^32, the first one first.
    asked_us: [u32; MAX_WAITING],
    waiting: u8,
    /// More requests waited than there is room for.
    is_lost: bool,
    client_is_high: bool,
    /// Sequence numbers of the latest request and response, so that one that is sent again does not count; the second one is valid if
    /// there was a response.
    latest: [u32; 2],
    has_response: bool,
}

/// Notes a message that begins in this payload. `exchanges` is made by the first request.
#[inline]
pub(super) fn note(exchanges: &mut Option<Box<Exchanges>>, piece: &Piece<'_>) {
    let Some(head) = head(piece.bytes) else { return };
    if head == Head::Request && exchanges.is_none() {
        *exchanges = Some(Box::new(Exchanges {
            client_is_high: piece.is_from_high,
            latest: [piece.sequence.wrapping_sub(1), 0],
            ..Exchanges::default()
        }));
    }
    if let Some(exchanges) = exchanges {
        exchanges.see(head, piece);
    }
}

/// What begins here. The first line of a request must be there to its end.
fn head(bytes: &[u8]) -> Option<Head> {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', b'2'..=b'5', _, _, ..] => Some(Head::Response),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', b'1', b'0', b'1', ..] => Some(Head::Response),
        [b'A'..=b'Z', b'A'..=b'Z' | b'-', ..] => {
            let end = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\n')?;
            let line = bytes.get(..end)?.trim_ascii_end();
            (line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")).then_some(Head::Request)
        }
        _ => None,
    }
}

impl Exchanges {
    fn see(&mut self, head: Head, piece: &Piece<'_>) {
        let is_request = piece.is_from_high == self.client_is_high;
        let is_first = !is_request && !self.has_response;
        let [request, response] = &mut self.latest;
        let latest = if is_request { request } else { response };
        // Less than 2^31 ahead: sent for the first time (RFC 9293 section 3.4).
        let is_new = is_first || (1..1 << 31).contains(&piece.sequence.wrapping_sub(*latest));
        if is_request != (head == Head::Request) || !is_new || self.is_lost {
            return;
        }
        *latest = piece.sequence;
        self.has_response |= !is_request;
        if is_request { self.asks(piece.now_us) } else { self.answers(piece.now_us) }
    }

    fn asks(&mut self, now_us: u32) {
        match self.asked_us.get_mut(usize::from(self.waiting)) {
            Some(place) => {
                *place = now_us;
                self.waiting += 1;
            }
            None => self.is_lost = true,
        }
    }

    fn answers(&mut self, now_us: u32) {
        if self.waiting == 0 {
            return;
        }
        let [asked_us, ..] = self.asked_us;
        self.asked_us.rotate_left(1);
        self.waiting -= 1;
        // A clock that was set back measures nothing.
        let us = now_us.wrapping_sub(asked_us);
        if us < 1 << 31 {
            self.max_us = self.max_us.max(us);
            self.total_us += u64::from(us);
            self.answered = self.answered.saturating_add(1);
        }
    }

    /// The latencies since the last call, without the first one; none: there were none.
    pub(super) fn take(&mut self) -> Option<ApplicationLatency> {
        let Self { total_us, max_us, answered, .. } = self;
        let (total_us, max_us, exchanges) = (mem::take(total_us), mem::take(max_us), mem::take(answered));
        (exchanges > 0).then_some(ApplicationLatency { first_us: 0, max_us, total_us, exchanges })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n";
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n";

    /// Time, whether the client sends, sequence number and payload of each packet.
    fn latency(packets: &[(u32, bool, u32, &[u8])]) -> Option<(u32, u64, u32)> {
        let mut exchanges = None;
        for (now_us, is_from_high, sequence, bytes) in packets.iter().copied() {
            let piece = Piece { protocol: 6, is_from_high, ports: [80, 4000], sequence, position: None, now_us, bytes };
            note(&mut exchanges, &piece);
        }
        let ApplicationLatency { exchanges, total_us, max_us, .. } = exchanges?.take()?;
        Some((exchanges, total_us, max_us))
    }

    #[test]
    fn each_request_is_measured() {
        let two =
            [(10, true, 1, REQUEST), (15, false, 1, RESPONSE), (20, true, 30, REQUEST), (50, false, 40, RESPONSE)];
        assert_eq!(latency(&two), Some((2, 35, 30)));
        let pipelined =
            [(10, true, 1, REQUEST), (20, true, 30, REQUEST), (25, false, 1, RESPONSE), (50, false, 40, RESPONSE)];
        assert_eq!(latency(&pipelined), Some((2, 45, 30)));
        let wrapped = [
            (u32::MAX, true, u32::MAX, REQUEST),
            (9, false, 1, RESPONSE),
            (10, true, 29, REQUEST),
            (12, false, 40, RESPONSE),
        ];
        assert_eq!(latency(&wrapped), Some((2, 12, 10)));
    }

    #[test]
    fn what_is_sent_again_counts_once() {
        let packets = [
            (10, true, 1, REQUEST),
            (12, true, 1, REQUEST),
            (14, false, 1, CONTINUE),
            (15, false, 40, RESPONSE),
            (16, false, 40, RESPONSE),
            (20, true, 30, REQUEST),
            (21, false, 40, RESPONSE),
            (22, false, 80, RESPONSE),
        ];
        assert_eq!(latency(&packets), Some((2, 7, 5)));
    }

    #[test]
    fn what_is_no_exchange_is_not_measured() {
        assert_eq!(latency(&[(10, false, 1, RESPONSE)]), None);
        assert_eq!(latency(&[(10, true, 1, REQUEST)]), None);
        assert_eq!(latency(&[(10, true, 1, REQUEST), (20, true, 30, RESPONSE)]), None);
        assert_eq!(latency(&[(10, true, 1, b"THE text\r\n"), (20, false, 1, RESPONSE)]), None);
        assert_eq!(latency(&[(10, true, 1, b"GET /without/end"), (20, false, 1, RESPONSE)]), None);
        assert_eq!(latency(&[(10, true, 1, REQUEST), (5, false, 1, RESPONSE)]), None, "the clock was set back");
    }

    #[test]
    fn too_many_waiting_requests_end_the_measurement() {
        let many: Vec<_> = (0..5).map(|n| (n, true, 1 + n, REQUEST)).chain([(9, false, 1, RESPONSE)]).collect();
        assert_eq!(latency(&many), None);
    }
}
