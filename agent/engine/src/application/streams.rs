//! Both directions of a TCP connection, as far as messages in them are not complete.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::message::{self, Message};
use super::piece::Piece;
use super::reading::Reading;
use super::service::Numbers;
use super::stream::Stream;

/// What is kept until the connection is understood.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Of the lower and of the higher end.
    open: [Option<Box<Stream>>; 2],
    /// A request that proves something only with its response.
    asked: Option<Asked>,
}

/// A request that waits for its response.
#[derive(Debug, Clone, Copy)]
struct Asked {
    number: u32,
    is_from_high: bool,
    request: &'static str,
}

impl Streams {
    /// Reads a segment, together with those before it of the same message. Returns the position of the message too, like
    /// [`Piece::position`].
    pub(super) fn read(&mut self, piece: &Piece<'_>, known: Option<Kind>) -> (Reading<Message>, Option<u32>) {
        let [low, high] = &mut self.open;
        let stream = if piece.is_from_high { high } else { low };
        let continues = stream.as_mut().is_some_and(|stream| stream.append(piece.sequence, piece.bytes));
        if !continues {
            *stream = None;
        }
        let bytes = stream.as_deref().map_or(piece.bytes, Stream::bytes);
        let before = stream.as_deref().map_or(0, |stream| piece.sequence.wrapping_sub(stream.start()));
        let position = piece.position.map(|position| position.wrapping_sub(before));
        let reading = message::read(bytes, known);
        match (&reading, &stream) {
            (Reading::Incomplete, None) => *stream = Some(Box::new(Stream::new(piece.sequence, piece.bytes))),
            (Reading::Incomplete, Some(_)) => {}
            (Reading::Found(message), None) if message.awaits_more() => {
                *stream = Some(Box::new(Stream::new(piece.sequence, piece.bytes)));
            }
            (Reading::Found(message), Some(_)) if message.awaits_more() => {}
            (Reading::Found(_) | Reading::Other, _) => *stream = None,
        }
        (reading, position)
    }

    /// Takes in a message that proves nothing alone. Returns the request that it answers.
    pub(super) fn pair(
        &mut self,
        numbers: Numbers,
        request: Option<&'static str>,
        is_from_high: bool,
    ) -> Option<&'static str> {
        let is_answer = |asked: &mut Asked| asked.number == numbers.as_response && asked.is_from_high != is_from_high;
        if let Some(asked) = self.asked.take_if(is_answer) {
            return Some(asked.request);
        }
        if let (Some(number), Some(request)) = (numbers.as_request, request) {
            self.asked = Some(Asked { number, is_from_high, request });
        }
        None
    }

    /// Memory beside its own, bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.open.iter().flatten().map(|stream| size_of::<Stream>() + stream.kept_bytes()).sum()
    }
}
