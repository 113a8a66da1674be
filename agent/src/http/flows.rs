//! `/api/flows`: the latest flow records.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pidflow_exporters::json::JsonEncoder;
use pidflow_exporters::{JsonKeys, Template};
use pidflow_schema::{DataType, ELEMENTS, Element, FlowRecord};
use serde::Deserialize;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::paged::{self, Page, Walked};
use super::problem::{AnyRefusal, Problem};
use super::query::{Address, AtCursor, FilterText, Limit, Moment, Name, Pid, Port, ProtocolName, QueryParameters};
use crate::published::Published;
use crate::published::recent::cursor::Place;
use crate::select::{Period, ProcessFilter, RecordFilter};

/// Query parameters. All given conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Name of the process at one end, in full. `process`, `pid`, `user`, `container`,
    /// `namespace` and `pod` must hold for the same end.
    #[param(inline)]
    process: Option<Name>,
    /// Number of the process at one end.
    #[param(inline)]
    pid: Option<Pid>,
    /// User of the process at one end, name or number.
    #[param(inline)]
    user: Option<Name>,
    /// Container id of the process at one end, or its beginning.
    #[param(inline)]
    container: Option<Name>,
    /// Namespace of the Kubernetes pod of the process at one end.
    #[param(inline)]
    namespace: Option<Name>,
    /// Kubernetes pod of the process at one end, in full.
    #[param(inline)]
    pod: Option<Name>,
    /// Address of one end. `address` and `port` must hold for the same end.
    #[param(inline)]
    address: Option<Address>,
    /// Port of one end.
    #[param(inline)]
    port: Option<Port>,
    /// Protocol.
    #[param(inline)]
    protocol: Option<ProtocolName>,
    /// Only flows with a packet at this time or later: milliseconds since 1970, or RFC 3339.
    #[param(inline)]
    since: Option<Moment>,
    /// Only flows with a packet at this time or earlier.
    #[param(inline)]
    until: Option<Moment>,
    /// Only records for which this expression is true; its names are the elements and the short names of
    /// `pidflow fields --short`.
    #[param(inline)]
    filter: Option<FilterText>,
    /// Maximum number of entries of a page. Default: 100.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next_cursor` of an earlier answer, to get its next page.
    #[param(inline)]
    cursor: Option<AtCursor>,
}

impl Query {
    /// The conditions; an error if the expression is wrong.
    fn filter(self) -> Result<RecordFilter, Problem> {
        let expression = FilterText::compile(self.filter.as_ref())?;
        Ok(RecordFilter {
            process: ProcessFilter {
                name: self.process.map(|n| n.0),
                pid: self.pid.map(|p| p.0),
                user: self.user.map(|n| n.0),
                container: self.container.map(|n| n.0),
                namespace: self.namespace.map(|n| n.0),
                pod: self.pod.map(|n| n.0),
            },
            address: self.address.map(|a| a.0),
            port: self.port.map(|p| p.0),
            protocol: self.protocol.map(|p| p.0),
            expression,
            period: Period { since: self.since.map(|m| m.0), until: self.until.map(|m| m.0) },
        })
    }
}

/// The latest flow records, newest first, as the JSON exporter writes them
///
/// A flow that continues has a record at least once per active timeout. New records do not change the pages, because
/// they come before the first page. Records evicted meanwhile (`--recent-flows`) are missing from later pages:
/// `forgotten` is true if they belonged to this page or a later one.
#[utoipa::path(
    get,
    path = "/api/flows",
    operation_id = "flows",
    params(Query),
    responses(
        (status = 200, description = "The records.", body = FlowPage),
        (status = 422, description = "The filter is no expression; the line has the place and the reason.", body = String, content_type = "text/plain"),
        (status = 410, description = "The cursor belongs to an earlier run of the agent.", body = String, content_type = "text/plain"),
        AnyRefusal
    )
)]
pub(super) async fn page(
    State(published): State<Published>,
    QueryParameters(query): QueryParameters<Query>,
) -> Result<Response, Problem> {
    let walk = AtCursor::or_start(query.cursor).ok_or_else(gone)?;
    let limit = Limit::or_usual(query.limit);
    let filter = query.filter()?;
    let records = published.recent.records();
    let found = records.newest_first(walk.before, |r| filter.matches(r)).take(limit + 1);
    let found: Vec<(Place, FlowRecord)> = found.map(|(place, r)| (place, r.clone())).collect();
    // The oldest are evicted first. So while the last record of the walk exists, all of its records do.
    let last = walk.mark.map(Place).or_else(|| records.oldest(|r| filter.matches(r)));
    let walked = Walked { mark: last.map_or(0, |place| place.0), forgotten: last.is_some_and(|l| records.lack(l)) };
    let encoder = Arc::new(JsonEncoder::new(&Template::default(), JsonKeys::Names, published.own_pen));
    let encode = move |r: &FlowRecord, out: &mut Vec<u8>| encoder.encode(std::slice::from_ref(r), out);
    Ok(Page::new("flows", found, limit, walked).into_response(encode))
}

/// Cursors of another run are not valid in this one.
pub(super) fn gone() -> Problem {
    Problem::new(StatusCode::GONE, "cursor: it belongs to an earlier run of the agent; start again without a cursor")
}

/// A page of records.
struct FlowPage;

impl PartialSchema for FlowPage {
    fn schema() -> RefOr<Schema> {
        paged::schema("flows", &Flow::name())
    }
}

impl ToSchema for FlowPage {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Flow::name().into_owned(), Flow::schema()));
    }
}

/// A record: the element table as a schema.
struct Flow;

impl PartialSchema for Flow {
    fn schema() -> RefOr<Schema> {
        let object = ELEMENTS.iter().fold(ObjectBuilder::new(), |object, e| object.property(e.name, property(e)));
        let about = "Unknown values are left out of a record.";
        object.description(Some(about)).additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
    }
}

impl ToSchema for Flow {}

fn property(e: &Element) -> ObjectBuilder {
    let (kind, format) = match e.data_type {
        DataType::Ipv4Address => (Type::String, Some(KnownFormat::Ipv4)),
        DataType::Ipv6Address => (Type::String, Some(KnownFormat::Ipv6)),
        DataType::String | DataType::MacAddress => (Type::String, None),
        _ => (Type::Integer, None),
    };
    ObjectBuilder::new().schema_type(kind).format(format.map(SchemaFormat::KnownFormat)).description(Some(e.doc))
}
