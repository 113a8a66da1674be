//! An answer's body that reports when hyper has read all of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::progress::Producing;

/// The body.
#[derive(Debug)]
pub(super) struct Guarded {
    body: Body,
    /// Dropped together with the body, which hyper drops once it has read all of it.
    _producing: Producing,
}

impl Guarded {
    /// Over a body.
    pub(super) const fn new(body: Body, producing: Producing) -> Self {
        Self { body, _producing: producing }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
