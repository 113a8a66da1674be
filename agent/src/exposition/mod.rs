//! Metric families as text, in the formats that scrapers read.

mod accept;
mod text;

use std::iter::from_fn;

use crate::published::families::view::LazyFamily;

pub(crate) use accept::negotiate;

/// Bytes after which a piece is handed out: a reader that takes nothing costs no more memory than one and a sample.
const PIECE_BYTES: usize = 16 * 1024;

/// A text format of Prometheus' world. Protobuf is not offered: its one advantage is native histograms, and ours have fixed
/// bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' own format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The whole page in pieces, each made when it is asked for.
    pub(crate) fn pieces(self, families: Vec<LazyFamily>) -> impl Iterator<Item = String> {
        let end = (self == Self::OpenMetrics).then(|| "# EOF\n".to_owned());
        let mut texts = families.into_iter().flat_map(move |f| text::family(self, f)).chain(end);
        from_fn(move || {
            let mut piece = texts.next()?;
            while piece.len() < PIECE_BYTES
                && let Some(text) = texts.next()
            {
                piece += &text;
            }
            Some(piece)
        })
    }
}
