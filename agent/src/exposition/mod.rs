//! Metric families in the formats that scrapers read.

mod accept;
mod protobuf;
mod text;

use std::iter::from_fn;

use crate::published::families::view::LazyFamily;

pub(crate) use accept::negotiate;

/// Size of a piece in bytes. A client that does not read uses no more memory than one piece and one sample.
const PIECE_BYTES: usize = 16 * 1024;

/// A format that Prometheus reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' own format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Length-delimited messages `io.prometheus.client.MetricFamily`.
    Protobuf,
}

impl Format {
    /// The media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The page in pieces, each generated when it is requested.
    pub(crate) fn pieces(self, families: Vec<LazyFamily>) -> Box<dyn Iterator<Item = Vec<u8>> + Send> {
        let families = families.into_iter();
        let end = (self == Self::OpenMetrics).then(|| b"# EOF\n".to_vec());
        match self {
            Self::Protobuf => Box::new(joined(families.filter_map(protobuf::family))),
            Self::Text | Self::OpenMetrics => {
                let texts = families.flat_map(move |f| text::family(self, f)).map(String::into_bytes);
                Box::new(joined(texts.chain(end)))
            }
        }
    }
}

fn joined(mut parts: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    from_fn(move || {
        let mut piece = parts.next()?;
        while piece.len() < PIECE_BYTES
            && let Some(part) = parts.next()
        {
            piece.extend(part);
        }
        Some(piece)
    })
}
