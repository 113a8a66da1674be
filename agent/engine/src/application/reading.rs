//! The result of reading bytes that may be a message.

/// The result of reading.
#[derive(Debug)]
pub(super) enum Reading<T> {
    /// A message was read.
    Found(T),
    /// More bytes are needed.
    Incomplete,
    /// It is no message of a known protocol.
    Other,
}

impl<T> Reading<T> {
    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Found(found) => Reading::Found(to(found)),
            Self::Incomplete => Reading::Incomplete,
            Self::Other => Reading::Other,
        }
    }

    /// Another value if this one is none.
    pub(super) fn of(found: Option<T>) -> Self {
        found.map_or(Self::Other, Self::Found)
    }
}
