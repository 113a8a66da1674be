//! Answers that come in pages: `{"NAME":[…],"next_cursor":…,"forgotten":…}`, made while they are taken.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type};

use crate::published::recent::cursor::{Cursor, PATTERN, Place};

/// Entries that are encoded at once: a client that does not read costs no more memory than these.
const AT_ONCE: usize = 32;

/// What there is to say of the walk that a page is part of.
pub(super) struct Walked {
    /// For the next page, as [`Walk`](crate::published::recent::cursor::Walk) says.
    pub(super) mark: u64,
    /// Whether some of what there was when it began is missing.
    pub(super) forgotten: bool,
}

/// What goes between the parts; `encode` appends one entry and a comma, or one entry and a line feed.
pub(super) struct Page<T> {
    name: &'static str,
    entries: Vec<T>,
    next: Option<Cursor>,
    forgotten: bool,
}

impl<T: Send + 'static> Page<T> {
    /// `found` are the entries with their places, one more than `limit` if there are more.
    pub(super) fn new(name: &'static str, mut found: Vec<(Place, T)>, limit: usize, walked: Walked) -> Self {
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|(place, _)| Cursor::new(*place, walked.mark));
        let entries = found.into_iter().map(|(_, entry)| entry).collect();
        Self { name, entries, next, forgotten: walked.forgotten }
    }

    /// The answer; `encode` appends one line for an entry.
    pub(super) fn into_response(self, encode: impl Fn(&T, &mut Vec<u8>) + Send + 'static) -> Response {
        let head = format!("{{\"{}\":[\n", self.name).into_bytes();
        let next = self.next.map_or_else(|| "null".to_owned(), |cursor| format!("\"{cursor}\""));
        let tail = format!("],\"next_cursor\":{next},\"forgotten\":{}}}\n", self.forgotten).into_bytes();
        let parts = [head].into_iter().chain(lines(self.entries, encode)).chain([tail]);
        let body = Body::from_stream(futures_util::stream::iter(parts.map(Ok::<_, Infallible>)));
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// The entries, a line each, with commas between.
fn lines<T>(entries: Vec<T>, encode: impl Fn(&T, &mut Vec<u8>)) -> impl Iterator<Item = Vec<u8>> {
    let mut entries = entries.into_iter().peekable();
    std::iter::from_fn(move || {
        entries.peek()?;
        let mut out = Vec::new();
        for _ in 0..AT_ONCE {
            let Some(entry) = entries.next() else { break };
            encode(&entry, &mut out);
            if entries.peek().is_some() && out.pop_if(|last| *last == b'\n').is_some() {
                out.extend_from_slice(b",\n");
            }
        }
        Some(out)
    })
}

/// The schema of a page with entries of the schema that is referred to.
pub(super) fn schema(name: &str, entry: &str) -> RefOr<Schema> {
    let entries = ArrayBuilder::new().items(Ref::from_schema_name(entry));
    let cursor = ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
        .pattern(Some(PATTERN))
        .description(Some("For the parameter \"cursor\" of the next request; null: there are no more."));
    let forgotten = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(
        "Whether entries that were there when the first page was asked for are forgotten, and missing.",
    ));
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

    #[tokio::test]
    async fn pages_of_any_length_are_json() {
        for found in [0, 1, 2, AT_ONCE as u64, AT_ONCE as u64 + 1, 100] {
            let page = text(found, 50).await;
            assert_eq!(page["n"].as_array().unwrap().len() as u64, found.min(50));
            let next = page["next_cursor"].as_str().map(|c| c.parse::<Cursor>().unwrap().walk().unwrap());
            assert_eq!(next, (found > 50).then_some(Walk { before: Place(49), mark: Some(7) }));
            assert_eq!(page["forgotten"], true);
        }
    }
}
