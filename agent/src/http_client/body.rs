//! The body of an answer: whole, or line by line while the server still writes it.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::Failure;

/// How long a server may pause within an answer that is not a watch.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The longest line of a watch, bytes. An object of the API server has at most 1.5 MiB (etcd's limit).
const MAX_LINE: usize = 4 << 20;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    /// Received, and not returned yet.
    buffer: Vec<u8>,
    /// Where the search for the end of the line continues.
    searched: usize,
}

impl Body {
    pub(crate) const fn new(incoming: Incoming) -> Self {
        Self { incoming, buffer: Vec::new(), searched: 0 }
    }

    /// The whole body. More than `max` bytes are a failure.
    pub(crate) async fn all(&mut self, max: usize) -> Result<Vec<u8>, Failure> {
        loop {
            let more = timeout(MAX_PAUSE, self.receive()).await;
            if !more.map_err(|_| Failure::Unreachable("the answer stopped".into()))?? {
                return Ok(std::mem::take(&mut self.buffer));
            }
            if self.buffer.len() > max {
                return Err(Failure::Unusable(format!("the answer exceeds {max} bytes")));
            }
        }
    }

    /// The next line; none: the server has ended the answer. Can be called again after it was cancelled.
    pub(crate) async fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if self.buffer.len() > MAX_LINE {
                return Err(Failure::Unusable(format!("a line exceeds {MAX_LINE} bytes")));
            }
            if !self.receive().await? {
                return Ok(None);
            }
        }
    }

    /// Whether a line can be returned at once.
    pub(crate) fn has_line(&self) -> bool {
        self.buffer.contains(&b'\n')
    }

    /// Whether the beginning of a line was received, and not yet its end.
    pub(crate) const fn is_within_line(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.get(self.searched..)?;
        let Some(length) = rest.iter().position(|b| *b == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.drain(..=self.searched + length).collect();
        self.searched = 0;
        Some(line)
    }

    /// False: there is no more.
    async fn receive(&mut self) -> Result<bool, Failure> {
        let Some(frame) = self.incoming.frame().await else { return Ok(false) };
        if let Some(data) = frame?.data_ref() {
            self.buffer.extend_from_slice(data);
        }
        Ok(true)
    }
}
