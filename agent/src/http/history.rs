//! `/api/history/flows`, `/api/history/groups` and `/api/history/series`: the records that are kept on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use pidflow_exporters::json::JsonEncoder;
use pidflow_exporters::{JsonKeys, Template};
use pidflow_expression::Selector;
use pidflow_history::{HistoryError, Limits, Place, Reader, Selected};
use pidflow_schema::FlowRecord;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use utoipa::IntoParams;
use utoipa::openapi::{ObjectBuilder, RefOr, Type};

use super::limits;
use super::problem::{AnyRefusal, Problem, described};
use super::query::{FilterText, Limit, Moment, QueryParameters, is_not};
use super::schemas::schemas;
use crate::clock::wall_ns;
use crate::history::{group_values, sums_values};
use crate::published::Published;

/// How long an answer may take to be found.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The time that is searched if the request does not say it.
const DEFAULT_PERIOD_NS: u64 = 3_600_000_000_000;
/// Maximum number of steps of a series.
const MAX_POINTS: usize = 10_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// Query parameters. All given conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FlowsQuery {
    /// Only records for which this expression is true.
    #[param(inline)]
    filter: Option<FilterText>,
    /// Only flows with a packet at this time or later. Default: one hour ago.
    #[param(inline)]
    since: Option<Moment>,
    /// Only flows with a packet at this time or earlier.
    #[param(inline)]
    until: Option<Moment>,
    /// Maximum number of entries of a page. Default: 100.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next_cursor` of an earlier answer, to get its next page.
    #[param(inline)]
    cursor: Option<AtPlace>,
}

/// Query parameters. All given conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GroupsQuery {
    /// Only records for which this expression is true.
    #[param(inline)]
    filter: Option<FilterText>,
    /// Only flows with a packet at this time or later. Default: one hour ago.
    #[param(inline)]
    since: Option<Moment>,
    /// Only flows with a packet at this time or earlier.
    #[param(inline)]
    until: Option<Moment>,
    /// Names separated by commas, such as `process,dst.port`. Default: `process`.
    #[param(inline)]
    by: Option<Names>,
    /// Maximum number of groups; those with the most bytes are kept. Default: 100.
    #[param(inline)]
    limit: Option<Limit>,
}

/// Query parameters. All given conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SeriesQuery {
    /// Only records for which this expression is true.
    #[param(inline)]
    filter: Option<FilterText>,
    /// Only flows with a packet at this time or later. Default: one hour ago.
    #[param(inline)]
    since: Option<Moment>,
    /// Only flows with a packet at this time or earlier.
    #[param(inline)]
    until: Option<Moment>,
    /// Length of a step, seconds. Default: 60.
    #[param(inline)]
    step: Option<Step>,
}

/// The refusals of the history's pages, for the description.
struct HistoryRefusal;

impl utoipa::IntoResponses for HistoryRefusal {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[
            ("404", "No history is kept (--history)."),
            ("422", "The filter is no expression, or a name does not exist; the line has the place and the reason."),
            ("503", "The time limit was reached, or too many questions wait."),
        ])
    }
}

/// The records kept on disk, latest first, as the JSON exporter writes them
///
/// `skipped` has a line for each file that could not be read.
#[utoipa::path(
    get,
    path = "/api/history/flows",
    operation_id = "history_flows",
    params(FlowsQuery),
    responses(
        (status = 200, description = "The records.", body = Object, content_type = "application/json"),
        HistoryRefusal,
        AnyRefusal
    )
)]
pub(super) async fn flows(
    State(published): State<Published>,
    QueryParameters(query): QueryParameters<FlowsQuery>,
) -> Result<Response, Problem> {
    let selected = selected(query.filter.as_ref(), query.since, query.until)?;
    let (limit, before) = (Limit::or_usual(query.limit), query.cursor.map(|cursor| cursor.0));
    let encoder = JsonEncoder::new(&Template::default(), JsonKeys::Names, published.own_pen);
    ask(&published, move |reader| {
        let found = reader.records(&selected, before, limits_of(limit + 1))?;
        Ok(flows_page(&found.entries, limit, &found.skipped, &encoder))
    })
    .await
}

/// One page; it ends early when it reaches [`limits::MAX_PAGE_BYTES`].
fn flows_page(found: &[(Place, FlowRecord)], limit: usize, skipped: &[String], encoder: &JsonEncoder) -> Vec<u8> {
    let mut out = b"{\"flows\":[\n".to_vec();
    let mut last = None;
    let mut shown = 0;
    for (place, record) in found.iter().take(limit) {
        if out.len() >= limits::MAX_PAGE_BYTES {
            break;
        }
        if last.replace(*place).is_some() {
            out.extend_from_slice(b",\n");
        }
        encoder.encode(std::slice::from_ref(record), &mut out);
        let _ = out.pop_if(|byte| *byte == b'\n');
        shown += 1;
    }
    let next = last.filter(|_| found.len() > shown).map(|place| place.to_string());
    let tail = json!({ "next_cursor": next, "skipped": skipped }).to_string();
    out.extend_from_slice(b"\n],");
    out.extend_from_slice(tail.get(1..).unwrap_or_default().as_bytes());
    out.push(b'\n');
    out
}

/// Sums of the records kept on disk by the values of names, the most bytes first
///
/// A name that means either end, such as `process`, is read at both ends, and a record counts in the groups of both.
#[utoipa::path(
    get,
    path = "/api/history/groups",
    operation_id = "history_groups",
    params(GroupsQuery),
    responses(
        (status = 200, description = "The groups.", body = Object, content_type = "application/json"),
        HistoryRefusal,
        AnyRefusal
    )
)]
pub(super) async fn groups(
    State(published): State<Published>,
    QueryParameters(query): QueryParameters<GroupsQuery>,
) -> Result<Response, Problem> {
    let selected = selected(query.filter.as_ref(), query.since, query.until)?;
    let limit = Limit::or_usual(query.limit);
    let by = query.by.as_ref().map_or("process", |names| &names.0);
    let by = selectors(by).map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    ask(&published, move |reader| {
        let found = reader.groups(&selected, &by, limits_of(limit))?;
        let groups: Vec<Map<String, Value>> = found.entries.iter().map(|group| group_values(&by, group)).collect();
        Ok(json!({ "groups": groups, "skipped": found.skipped }).to_string().into_bytes())
    })
    .await
}

/// Sums of the records kept on disk by the time at which they ended
///
/// `start` is the beginning of a step, milliseconds since 1970. Steps without records are left out.
#[utoipa::path(
    get,
    path = "/api/history/series",
    operation_id = "history_series",
    params(SeriesQuery),
    responses(
        (status = 200, description = "The steps, the earliest first.", body = Object, content_type = "application/json"),
        HistoryRefusal,
        AnyRefusal
    )
)]
pub(super) async fn series(
    State(published): State<Published>,
    QueryParameters(query): QueryParameters<SeriesQuery>,
) -> Result<Response, Problem> {
    let selected = selected(query.filter.as_ref(), query.since, query.until)?;
    let step_ns = query.step.map_or(60, |step| step.0) * 1_000_000_000;
    ask(&published, move |reader| {
        let found = reader.series(&selected, step_ns, limits_of(MAX_POINTS))?;
        let points = found.entries.iter().map(|point| {
            let mut object = sums_values(&point.sums);
            object.insert("start".into(), Value::from(point.start_ns / MILLISECOND_NS));
            Value::Object(object)
        });
        let points: Vec<Value> = points.collect();
        Ok(json!({ "points": points, "skipped": found.skipped }).to_string().into_bytes())
    })
    .await
}

fn limits_of(entries: usize) -> Limits {
    Limits { deadline: Instant::now() + TIME_LIMIT, entries }
}

fn selected(filter: Option<&FilterText>, since: Option<Moment>, until: Option<Moment>) -> Result<Selected, Problem> {
    let filter = FilterText::compile(filter)?;
    let since_ns = since.map_or_else(|| wall_ns().saturating_sub(DEFAULT_PERIOD_NS), |m| m.0.nanoseconds());
    // A millisecond is meant as a whole.
    let until_ns = until.map(|m| m.0.nanoseconds().saturating_add(MILLISECOND_NS - 1));
    Ok(Selected { filter, since_ns: Some(since_ns), until_ns })
}

/// Lets the history's own thread answer.
async fn ask(
    published: &Published,
    answer: impl FnOnce(&Reader) -> Result<Vec<u8>, HistoryError> + Send + 'static,
) -> Result<Response, Problem> {
    let no_history =
        || Problem::new(StatusCode::NOT_FOUND, "no history is kept; start the agent with --history FOLDER");
    let questions = published.history.as_ref().ok_or_else(no_history)?;
    let (sender, answered) = oneshot::channel();
    let is_accepted = questions.ask(move |reader| {
        // If nobody waits any more, nothing is read.
        if !sender.is_closed() {
            let _ = sender.send(reader.and_then(|reader| answer(&reader)));
        }
    });
    let unavailable = |line: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, line);
    if !is_accepted {
        return Err(unavailable("too many questions about the history wait; try again later"));
    }
    let body = answered.await.map_err(|_| unavailable("the thread that reads the history has failed"))?;
    let body = body.map_err(|e| unavailable(&e.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// The position of a record.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct AtPlace(Place);

impl TryFrom<String> for AtPlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|allowed| is_not(&text, allowed))
    }
}

/// Names by which records are summed up, separated by commas.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct Names(String);

/// Maximum number of names.
const MAX_NAMES: usize = 8;

fn selectors(text: &str) -> Result<Arc<[Selector]>, String> {
    let names = text.split(',').map(|name| Selector::parse(name).map_err(|e| e.to_string()));
    let names: Arc<[Selector]> = names.take(MAX_NAMES + 1).collect::<Result<_, _>>()?;
    if names.len() > MAX_NAMES {
        return Err(is_not(text, &format!("a list of 1 to {MAX_NAMES} names")));
    }
    Ok(names)
}

/// Seconds of a step.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Step(u64);

const MAX_STEP_S: u64 = 86_400;

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = text.parse().ok().filter(|s| (1..=MAX_STEP_S).contains(s));
        seconds.map(Self).ok_or_else(|| is_not(&text, &format!("a number of seconds, 1 to {MAX_STEP_S}")))
    }
}

schemas! {
    AtPlace: ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,9}-[0-9]{1,9}-[0-9]{1,18}$"));
    Names: ObjectBuilder::new().schema_type(Type::String).examples(["process,dst.port"]);
    Step: ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1_usize)).maximum(Some(MAX_STEP_S as usize));
}
