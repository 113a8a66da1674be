//! `/api/stream`: new flow records and the agent's status as server-sent events.

mod events;
mod places;
mod report;

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::client::Client;
use super::flows::gone;
use super::limits;
use super::problem::{AnyRefusal, Problem};
use super::query::{AtCursor, FilterText, Limit, QueryParameters};
use crate::published::Published;
use events::Events;

pub(super) use places::Places;

/// Query parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Only records for which this expression is true.
    #[param(inline)]
    filter: Option<FilterText>,
    /// How many of the latest records the first event contains, if there is no `after`. Default: 100.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `id` of the last event received, to continue after it.
    #[param(inline)]
    after: Option<AtCursor>,
}

/// New flow records and the agent's status, as server-sent events
///
/// Once a second: an event `status`, and an event `flows` if there is anything to report. `flows` has `flows`, the
/// records since the last event, the oldest first, and `missed`: how many are left out because they were evicted
/// before the client read them, or because there were more than 500. The first event of a new stream has the latest
/// records, and in `next_cursor` the `cursor` of those before them for `/api/flows`. A stream ends after 20 s; continue
/// with `after`. A client may have 6 streams at once, all clients together 24; another one is answered with 429.
#[utoipa::path(
    get,
    path = "/api/stream",
    operation_id = "stream",
    params(Query),
    responses(
        (status = 200, description = "Server-sent events.", body = String, content_type = "text/event-stream"),
        (status = 422, description = "The filter is no expression; the line has the place and the reason.", body = String, content_type = "text/plain"),
        (status = 410, description = "The event belongs to an earlier run of the agent.", body = String, content_type = "text/plain"),
        AnyRefusal
    )
)]
pub(super) async fn page(
    State(published): State<Published>,
    Extension(places): Extension<Places>,
    client: Option<Extension<Client>>,
    QueryParameters(query): QueryParameters<Query>,
) -> Result<Response, Problem> {
    let filter = FilterText::compile(query.filter.as_ref())?;
    let after = query.after.map(|cursor| AtCursor::or_start(Some(cursor)).ok_or_else(gone)).transpose()?;
    let limit = Limit::or_usual(query.limit);
    let place = places.take(client.map(|Extension(client)| client.group()))?;
    let events = Events::new(published, filter, after.map(|walk| walk.before), limit);
    let body = Body::from_stream(futures_util::stream::unfold((events, place), next));
    Ok(([(CONTENT_TYPE, "text/event-stream")], body).into_response())
}

type Streaming = (Events, places::Place);

/// The next text; it is made when the client has room for it, so that a slow client keeps no records.
async fn next((mut events, place): Streaming) -> Option<(Result<Vec<u8>, Infallible>, Streaming)> {
    if !events.is_first() {
        tokio::time::sleep(limits::STREAM_INTERVAL).await;
        // A client that has used its share of CPU time gets the records later.
        place.wait_for_budget().await;
    }
    let text = events.next()?;
    Some((Ok(text), (events, place)))
}

#[cfg(test)]
mod tests;
