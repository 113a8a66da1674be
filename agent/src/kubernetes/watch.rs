//! A list of the API server, followed by its changes ("Kubernetes API Concepts", "Efficient detection of changes").

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout};

use super::object::{List, Metadata, Status};
use super::request::Server;
use crate::http_client::Body;
use crate::http_client::Failure;

/// Objects per page of a list.
const PAGE: u32 = 250;
/// The longest page, bytes.
const MAX_PAGE: usize = 64 << 20;
/// After this, the server ends a watch, and another one continues it. It bounds how long a server that has stopped to work,
/// but keeps the connection, goes unnoticed.
const WATCH_SECONDS: u64 = 120;
/// The server sends a bookmark each minute. If it does not, it may have stopped to work.
const MAX_SILENCE: Duration = Duration::from_secs(75);
/// How much later than promised the server may end a watch.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// The shortest time between the beginnings of two lists, and of two watches, so that a server that ends each at once is not
/// flooded with requests.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

const JSON: &str = "application/json";

/// What the server tells.
#[derive(Debug)]
pub(super) enum Step<T> {
    /// It begins to list everything.
    ListBegan,
    /// This is in the list.
    Listed(T),
    /// That was all.
    ListEnded,
    /// New or changed.
    Changed(T),
    /// Deleted.
    Deleted(T),
    /// Nothing has changed.
    Unchanged,
    /// The server is silent, or stopped within a line: it may know more.
    Silent,
}

#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct Bookmark {
    metadata: Metadata,
}

#[derive(Debug)]
enum Phase<T> {
    Begin,
    Listing { items: std::vec::IntoIter<T>, next: String },
    Between,
    Watching { body: Body, ends: Instant },
}

/// A list and its changes.
#[derive(Debug)]
pub(super) struct Watch<T> {
    server: Server,
    path: &'static str,
    selector: String,
    version: String,
    phase: Phase<T>,
    last_list: Option<Instant>,
    last_watch: Option<Instant>,
}

impl<T: DeserializeOwned> Watch<T> {
    /// `selector`: a field selector; empty: everything.
    pub(super) const fn new(server: Server, path: &'static str, selector: String) -> Self {
        Self { server, path, selector, version: String::new(), phase: Phase::Begin, last_list: None, last_watch: None }
    }

    /// The next step. After a failure the watch cannot be used any more.
    pub(super) async fn next(&mut self) -> Result<Step<T>, Failure> {
        loop {
            let step = match &mut self.phase {
                Phase::Begin => self.begin().await,
                Phase::Listing { items, next } => match (items.next(), std::mem::take(next)) {
                    (Some(item), more) => {
                        *next = more;
                        return Ok(Step::Listed(item));
                    }
                    (None, more) if more.is_empty() => {
                        self.phase = Phase::Between;
                        return Ok(Step::ListEnded);
                    }
                    (None, more) => self.list(&more).await.map(|()| None),
                },
                Phase::Between => self.watch().await.map(|()| None),
                Phase::Watching { .. } => self.change().await,
            };
            match step {
                Ok(Some(step)) => return Ok(step),
                Ok(None) => {}
                Err(Failure::Gone) if !matches!(self.phase, Phase::Begin) => self.phase = Phase::Begin,
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether the next step takes no time.
    pub(super) fn has_more(&self) -> bool {
        match &self.phase {
            Phase::Listing { items, .. } => items.len() > 0,
            Phase::Watching { body, .. } => body.has_line(),
            Phase::Begin | Phase::Between => false,
        }
    }

    async fn begin(&mut self) -> Result<Option<Step<T>>, Failure> {
        after_interval(&mut self.last_list).await;
        self.list("").await?;
        Ok(Some(Step::ListBegan))
    }

    async fn list(&mut self, next: &str) -> Result<(), Failure> {
        let path = page(self.path, &self.selector, next);
        let body = self.server.get(&path, JSON).await?.all(MAX_PAGE).await?;
        let page: List<T> = parse(&body)?;
        let metadata = page.metadata.unwrap_or_default();
        self.version = metadata.resource_version.unwrap_or_default();
        let items = page.items.unwrap_or_default().into_iter();
        self.phase = Phase::Listing { items, next: metadata.next.unwrap_or_default() };
        Ok(())
    }

    async fn watch(&mut self) -> Result<(), Failure> {
        after_interval(&mut self.last_watch).await;
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}{}",
            self.path,
            encoded(&self.version),
            selector(&self.selector)
        );
        let body = self.server.get(&path, JSON).await?;
        let ends = Instant::now() + Duration::from_secs(WATCH_SECONDS) + MAX_DELAY;
        self.phase = Phase::Watching { body, ends };
        Ok(())
    }

    async fn change(&mut self) -> Result<Option<Step<T>>, Failure> {
        let Phase::Watching { body, ends } = &mut self.phase else { return Ok(None) };
        let wait = MAX_SILENCE.min(ends.saturating_duration_since(Instant::now()));
        match timeout(wait, body.line()).await {
            Ok(Ok(Some(line))) => self.event(&line),
            Ok(Ok(None)) => {
                let ended = if body.is_within_line() { Step::Silent } else { Step::Unchanged };
                self.phase = Phase::Between;
                Ok(Some(ended))
            }
            Ok(Err(e)) => Err(e),
            Err(_) if Instant::now() < *ends => Ok(Some(Step::Silent)),
            Err(_) => Err(Failure::Unreachable("the watch does not end".into())),
        }
    }

    fn event(&mut self, line: &[u8]) -> Result<Option<Step<T>>, Failure> {
        let event: Event<'_> = parse(line)?;
        let object = event.object.get().as_bytes();
        if event.kind == "ERROR" {
            return Err(error(object));
        }
        let bookmark: Bookmark = parse(object)?;
        self.version = bookmark.metadata.resource_version.unwrap_or_default();
        Ok(Some(match event.kind {
            "ADDED" | "MODIFIED" => Step::Changed(parse(object)?),
            "DELETED" => Step::Deleted(parse(object)?),
            _ => Step::Unchanged,
        }))
    }
}

/// Waits until the last time is long enough ago, which is now from then on.
async fn after_interval(last: &mut Option<Instant>) {
    if let Some(last) = *last {
        sleep_until(last + MIN_INTERVAL).await;
    }
    *last = Some(Instant::now());
}

fn error(object: &[u8]) -> Failure {
    match serde_json::from_slice::<Status>(object) {
        Ok(status) if status.code == Some(410) => Failure::Gone,
        Ok(status) => Failure::Unreachable(status.message.unwrap_or_else(|| "the watch failed".into())),
        Err(e) => Failure::Unusable(e.to_string()),
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::Unusable(format!("not the expected JSON: {e}")))
}

fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn selector(selector: &str) -> String {
    if selector.is_empty() { String::new() } else { format!("&fieldSelector={}", encoded(selector)) }
}

/// The path of a page of a list. `next`: what the page before said; empty: the first page.
pub(super) fn page(path: &str, field_selector: &str, next: &str) -> String {
    let more = if next.is_empty() { String::new() } else { format!("&continue={}", encoded(next)) };
    format!("{path}?limit={PAGE}{more}{}", selector(field_selector))
}
