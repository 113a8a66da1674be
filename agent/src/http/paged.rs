//! Answers in pages: `{"NAME":[…],"next_cursor":…,"forgotten":…}`, encoded while they are sent.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type};

use super::limits;
use crate::published::recent::cursor::{Cursor, PATTERN, Place};

/// Size of a piece in bytes. A client that does not read uses no more memory than one piece and one entry.
const PIECE_BYTES: usize = 64 * 1024;

/// The state of the walk that a page belongs to.
pub(super) struct Walked {
    /// The cursor for the next page; see [`Walk`](crate::published::recent::cursor::Walk).
    pub(super) mark: u64,
    /// Whether entries that existed when the walk began are missing.
    pub(super) forgotten: bool,
}

/// One page: entries, and where the next one begins.
pub(super) struct Page<T> {
    name: &'static str,
    entries: VecDeque<(Place, T)>,
    has_more: bool,
    walked: Walked,
}

impl<T: Send + 'static> Page<T> {
    /// `found` are the entries with their positions, one more than `limit` if there are more.
    pub(super) fn new(name: &'static str, mut found: Vec<(Place, T)>, limit: usize, walked: Walked) -> Self {
        let has_more = found.len() > limit;
        found.truncate(limit);
        Self { name, entries: found.into(), has_more, walked }
    }

    /// The answer. `encode` appends one line for an entry. The page ends early when it reaches
    /// [`limits::MAX_PAGE_BYTES`].
    pub(super) fn into_response(self, encode: impl Fn(&T, &mut Vec<u8>) + Send + 'static) -> Response {
        let pieces = Pieces { page: self, encode, bytes: 0, last: None, is_over: false };
        let body = Body::from_stream(futures_util::stream::iter(pieces.map(Ok::<_, Infallible>)));
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// The answer's text, generated while the client reads it.
struct Pieces<T, F> {
    page: Page<T>,
    encode: F,
    /// The text generated so far.
    bytes: usize,
    /// The position of the last generated entry.
    last: Option<Place>,
    is_over: bool,
}

impl<T, F: Fn(&T, &mut Vec<u8>)> Iterator for Pieces<T, F> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.is_over {
            return None;
        }
        let mut piece = Vec::new();
        if self.bytes == 0 {
            piece.extend_from_slice(format!("{{\"{}\":[\n", self.page.name).as_bytes());
        }
        while piece.len() < PIECE_BYTES && !self.is_over {
            let is_large = self.bytes + piece.len() >= limits::MAX_PAGE_BYTES;
            match self.page.entries.pop_front() {
                Some((place, entry)) if !is_large || self.last.is_none() => self.append(place, &entry, &mut piece),
                rest => self.end(rest.is_some(), &mut piece),
            }
        }
        self.bytes += piece.len();
        Some(piece)
    }
}

impl<T, F: Fn(&T, &mut Vec<u8>)> Pieces<T, F> {
    fn append(&mut self, place: Place, entry: &T, piece: &mut Vec<u8>) {
        if self.last.replace(place).is_some() {
            piece.extend_from_slice(b",\n");
        }
        (self.encode)(entry, piece);
        let _ = piece.pop_if(|last| *last == b'\n');
    }

    fn end(&mut self, is_cut: bool, piece: &mut Vec<u8>) {
        self.is_over = true;
        let cursor = self.last.filter(|_| is_cut || self.page.has_more);
        let cursor = cursor.map(|place| format!("\"{}\"", Cursor::new(place, self.page.walked.mark)));
        let line_feed = if self.last.is_some() { "\n" } else { "" };
        let (next, forgotten) = (cursor.as_deref().unwrap_or("null"), self.page.walked.forgotten);
        let tail = format!("{line_feed}],\"next_cursor\":{next},\"forgotten\":{forgotten}}}\n");
        piece.extend_from_slice(tail.as_bytes());
    }
}

/// The schema of a page whose entries have the referenced schema.
pub(super) fn schema(name: &str, entry: &str) -> RefOr<Schema> {
    let entries = ArrayBuilder::new().items(Ref::from_schema_name(entry));
    let cursor = ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
        .pattern(Some(PATTERN))
        .description(Some("For the parameter \"cursor\" of the next request; null: there are no more."));
    let forgotten = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("Whether entries that existed at the first page have been evicted since, and are missing."));
    ObjectBuilder::new()
        .property(name, entries)
        .property("next_cursor", cursor)
        .property("forgotten", forgotten)
        .required(name)
        .required("next_cursor")
        .required("forgotten")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::recent::cursor::Walk;

    async fn text(found: u64, limit: usize) -> serde_json::Value {
        let found = (0..found).map(|n| (Place(n), n)).collect();
        let walked = Walked { mark: 7, forgotten: true };
        let page = Page::new("n", found, limit, walked).into_response(|n, out| out.extend(format!("{n}\n").bytes()));
        let body = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// The entries of all pages, each of an entry that is as long as the number says, and the lengths of the pages.
    async fn walk(mut rest: Vec<(Place, usize)>, limit: usize) -> (Vec<usize>, Vec<usize>) {
        let (mut lengths, mut pages) = (Vec::new(), Vec::new());
        loop {
            let found: Vec<_> = rest.iter().take(limit + 1).copied().collect();
            let page = Page::new("n", found, limit, Walked { mark: 7, forgotten: false });
            let response = page.into_response(|n, out| out.extend(format!("\"{}\"\n", "x".repeat(*n)).bytes()));
            let body = axum::body::to_bytes(response.into_body(), 1 << 30).await.unwrap();
            let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
            lengths.extend(page["n"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap().len()));
            pages.push(body.len());
            let Some(cursor) = page["next_cursor"].as_str() else { return (lengths, pages) };
            let before = cursor.parse::<Cursor>().unwrap().walk().unwrap().before;
            rest.retain(|(place, _)| *place < before);
        }
    }

    #[tokio::test]
    async fn a_page_has_a_bounded_size_and_none_of_the_entries_is_lost() {
        const MIB: usize = 1024 * 1024;
        let all = |sizes: &[usize]| sizes.iter().enumerate().map(|(i, n)| (Place(1000 - i as u64), *n)).collect();
        for (what, sizes, most) in [
            ("of command lines of 1 MiB", vec![MIB; 100], limits::MAX_PAGE_BYTES + 2 * MIB),
            (
                "of small ones and one that is larger than a page",
                [vec![10; 50], vec![6 * MIB], vec![10; 50]].concat(),
                8 * MIB,
            ),
            ("each larger than a page", vec![5 * MIB; 3], 6 * MIB),
            ("which just fill it", vec![limits::MAX_PAGE_BYTES / 2; 5], limits::MAX_PAGE_BYTES * 2),
        ] {
            let (lengths, pages) = walk(all(&sizes), 500).await;
            assert_eq!(lengths, sizes, "{what}");
            assert!(pages.iter().all(|n| *n <= most), "{what}: {pages:?}");
        }
    }

    #[tokio::test]
    async fn pages_of_any_length_are_json() {
        for found in [0, 1, 2, 32, 33, 100] {
            let page = text(found, 50).await;
            assert_eq!(page["n"].as_array().unwrap().len() as u64, found.min(50));
            let next = page["next_cursor"].as_str().map(|c| c.parse::<Cursor>().unwrap().walk().unwrap());
            assert_eq!(next, (found > 50).then_some(Walk { before: Place(49), mark: Some(7) }));
            assert_eq!(page["forgotten"], true);
        }
    }
}
