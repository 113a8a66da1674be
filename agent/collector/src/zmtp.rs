//! The side of a subscriber in ZeroMQ's protocol (ZMTP 3.0, <https://rfc.zeromq.org/spec/23/>), without encryption.
//!
//! It is not the crate `zeromq`, which pidflow's exporter uses: that one takes frames of any length and messages of any number of
//! frames from a peer, and does not say from which peer a message is.

/// The longest frame that is taken, octets.
pub const MAX_FRAME: usize = 1 << 20;
/// The most frames of a message that are kept; ntop's have two.
const MAX_FRAMES: usize = 4;
/// The most octets of answers that wait to be sent: a publisher that asks without end must read them.
const MAX_ANSWER: usize = 4096;
/// Octets of the greeting.
const GREETING: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
const MECHANISM: &[u8; 20] = b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// Kinds of sockets that publish.
const PUBLISHERS: [&[u8]; 2] = [b"PUB", b"XPUB"];

/// Why a connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPublisher {
    /// It does not begin as ZMTP 3 does.
    #[error("it does not speak ZMTP 3 (ZeroMQ 4)")]
    Protocol,
    /// It wants encryption or authentication (`--zmq-encryption` of nProbe).
    #[error("it wants encryption or authentication; run nProbe without --zmq-encryption")]
    Mechanism,
    /// It is another kind of socket.
    #[error("it is no publisher (PUB)")]
    Kind,
    /// It does not read what it asks for (PING).
    #[error("it does not read the answers to its commands")]
    Deaf,
    /// A frame, or the number of frames of a message, exceeds the limit.
    #[error("it sent a message of more than {MAX_FRAME} octets or {MAX_FRAMES} frames")]
    TooLong,
}

/// What has arrived of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nothing,
    Greeted,
    Ready,
}

/// One connection to a publisher.
#[derive(Debug)]
pub struct Subscriber {
    state: State,
    /// What arrived and is not a whole frame yet.
    octets: Vec<u8>,
    /// What is to be sent.
    answer: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Default for Subscriber {
    fn default() -> Self {
        Self { state: State::Nothing, octets: Vec::new(), answer: greeting(), frames: Vec::new() }
    }
}

impl Subscriber {
    /// Takes octets of the connection, and hands each message to `put`, as its frames.
    ///
    /// # Errors
    /// The peer is no publisher that can be read; the connection must be closed.
    pub fn take(&mut self, octets: &[u8], mut put: impl FnMut(&[Vec<u8>])) -> Result<(), NotAPublisher> {
        self.octets.extend_from_slice(octets);
        if self.state == State::Nothing {
            if self.octets.first().is_some_and(|first| *first != 0xff) {
                return Err(NotAPublisher::Protocol);
            }
            let Some(greeting) = self.octets.get(..GREETING) else { return Ok(()) };
            check(greeting)?;
            self.octets.drain(..GREETING);
            self.state = State::Greeted;
            self.answer.extend(ready());
        }
        // What is not whole stays where it is: it is not copied for each octet that arrives.
        let mut whole = std::mem::take(&mut self.octets);
        let mut rest = whole.as_slice();
        while let Some((flags, frame, after)) = next(rest)? {
            rest = after;
            match flags & COMMAND {
                0 => self.frame(flags, frame, &mut put)?,
                _ => self.command(frame)?,
            }
        }
        let left = rest.len();
        whole.drain(..whole.len() - left);
        self.octets = whole;
        Ok(())
    }

    /// Whether the peer has said that it is a publisher.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// What is to be sent; the caller removes what it has sent.
    pub const fn answer(&mut self) -> &mut Vec<u8> {
        &mut self.answer
    }

    fn frame(&mut self, flags: u8, frame: &[u8], put: &mut impl FnMut(&[Vec<u8>])) -> Result<(), NotAPublisher> {
        if self.state != State::Ready {
            return Err(NotAPublisher::Protocol);
        }
        if self.frames.len() >= MAX_FRAMES {
            return Err(NotAPublisher::TooLong);
        }
        self.frames.push(frame.to_vec());
        if flags & MORE == 0 {
            put(&self.frames);
            self.frames.clear();
        }
        Ok(())
    }

    fn command(&mut self, command: &[u8]) -> Result<(), NotAPublisher> {
        let name = |name: &[u8]| {
            let (length, rest) = command.split_first()?;
            (usize::from(*length) == name.len()).then_some(())?;
            rest.strip_prefix(name)
        };
        if let Some(properties) = name(b"READY") {
            if !PUBLISHERS.iter().any(|kind| property(properties, b"Socket-Type") == Some(*kind)) {
                return Err(NotAPublisher::Kind);
            }
            self.state = State::Ready;
            // The subscription to everything, so that the numbers of messages have no gaps.
            self.answer.extend([0, 1, 1]);
        } else if let Some([_, _, context @ ..]) = name(b"PING") {
            let body = [b"\x04PONG", context.get(..16).unwrap_or(context)].concat();
            self.answer.extend([COMMAND, body.len() as u8]);
            self.answer.extend(body);
        } else if name(b"ERROR").is_some() {
            return Err(NotAPublisher::Mechanism);
        }
        if self.answer.len() > MAX_ANSWER { Err(NotAPublisher::Deaf) } else { Ok(()) }
    }
}

/// Flags and contents of a frame, and what follows it.
type Next<'a> = (u8, &'a [u8], &'a [u8]);

/// The next frame; none: it is not whole.
fn next(octets: &[u8]) -> Result<Option<Next<'_>>, NotAPublisher> {
    let Some((flags, rest)) = octets.split_first() else { return Ok(None) };
    let (length, rest) = if flags & LONG == 0 {
        let Some((length, rest)) = rest.split_first() else { return Ok(None) };
        (u64::from(*length), rest)
    } else {
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        (u64::from_be_bytes(*length), rest)
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME).ok_or(NotAPublisher::TooLong)?;
    Ok(rest.split_at_checked(length).map(|(frame, after)| (*flags, frame, after)))
}

/// Signature, version 3.0, mechanism, and the role of a client.
fn greeting() -> Vec<u8> {
    let mut all = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    all.extend(MECHANISM);
    all.resize(GREETING, 0);
    all
}

fn check(greeting: &[u8]) -> Result<(), NotAPublisher> {
    let is_zmtp = greeting.get(9) == Some(&0x7f) && greeting.get(10).is_some_and(|version| *version >= 3);
    if !is_zmtp {
        return Err(NotAPublisher::Protocol);
    }
    (greeting.get(12..32) == Some(MECHANISM)).then_some(()).ok_or(NotAPublisher::Mechanism)
}

/// The command READY of a subscriber.
fn ready() -> Vec<u8> {
    let body = [b"\x05READY\x0bSocket-Type".as_slice(), &3_u32.to_be_bytes(), b"SUB"].concat();
    [&[COMMAND, body.len() as u8][..], &body].concat()
}

/// The value of a property of a command; its name has any case.
fn property<'a>(mut properties: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    loop {
        let (length, rest) = properties.split_first()?;
        let (found, rest) = rest.split_at_checked(usize::from(*length))?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        properties = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
        [&[flags, body.len() as u8][..], body].concat()
    }

    fn ready_of(kind: &[u8]) -> Vec<u8> {
        let length = (kind.len() as u32).to_be_bytes();
        frame(COMMAND, &[b"\x05READY\x08Identity\0\0\0\0\x0bsocket-type".as_slice(), &length, kind].concat())
    }

    type Messages = Vec<Vec<Vec<u8>>>;

    /// The messages, and what is answered.
    fn of(octets: &[u8]) -> Result<(Messages, Vec<u8>), NotAPublisher> {
        let (mut subscriber, mut all) = (Subscriber::default(), Vec::new());
        subscriber.take(octets, |frames| all.push(frames.to_vec()))?;
        Ok((all, subscriber.answer))
    }

    #[test]
    fn messages_arrive_octet_by_octet() {
        let long = [&[LONG][..], &300_u64.to_be_bytes(), &[7; 300]].concat();
        let all = [greeting(), ready_of(b"PUB"), frame(MORE, b"head"), long, frame(COMMAND, b"\x04PING\0\x0ahello")];
        let (mut subscriber, mut got) = (Subscriber::default(), Vec::new());
        for octet in all.concat() {
            subscriber.take(&[octet], |frames| got.push(frames.to_vec())).unwrap();
        }
        assert_eq!(got, [vec![b"head".to_vec(), vec![7; 300]]]);
        let expected = [greeting(), ready(), vec![0, 1, 1], frame(COMMAND, b"\x04PONGhello")].concat();
        assert_eq!(*subscriber.answer(), expected);
        assert_eq!(of(&all.concat()).unwrap(), (got, expected));
    }

    #[test]
    fn others_are_refused() {
        let mut curve = greeting();
        curve[12..17].copy_from_slice(b"CURVE");
        let mut old = greeting();
        old[10] = 1;
        let endless = frame(MORE, b"x").repeat(MAX_FRAMES + 1);
        let large = [&[LONG][..], &(MAX_FRAME as u64 + 1).to_be_bytes()].concat();
        let begun = [greeting(), ready_of(b"XPUB")].concat();
        let cases = [
            (b"GET / HTTP/1.1\r\n".to_vec(), NotAPublisher::Protocol),
            (old, NotAPublisher::Protocol),
            (curve, NotAPublisher::Mechanism),
            ([greeting(), ready_of(b"SUB")].concat(), NotAPublisher::Kind),
            ([greeting(), frame(COMMAND, b"\x05READY")].concat(), NotAPublisher::Kind),
            ([greeting(), frame(0, b"early")].concat(), NotAPublisher::Protocol),
            ([begun.clone(), endless].concat(), NotAPublisher::TooLong),
            ([begun.clone(), large].concat(), NotAPublisher::TooLong),
            ([begun.clone(), frame(COMMAND, b"\x05ERROR\0")].concat(), NotAPublisher::Mechanism),
            ([begun, frame(COMMAND, b"\x04PING\0\x0a").repeat(1000)].concat(), NotAPublisher::Deaf),
        ];
        for (octets, why) in cases {
            assert_eq!(of(&octets).unwrap_err(), why);
        }
    }
}
