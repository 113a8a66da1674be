//! `/api/elements`: the element table.

use axum::Json;
use axum::extract::State;
use pidflow_schema::ELEMENTS;
use serde::Deserialize;

use super::problem::AnyRefusal;
use super::query::QueryParameters;
use crate::element_description::ElementDescription;
use crate::published::Published;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

/// Every element of a flow record: names, numbers, type, unit, meaning
#[utoipa::path(
    get,
    path = "/api/elements",
    operation_id = "elements",
    responses((status = 200, description = "In the order of records.", body = Vec<ElementDescription>), AnyRefusal)
)]
pub(super) async fn page(
    State(published): State<Published>,
    _: QueryParameters<NoParameters>,
) -> Json<Vec<ElementDescription>> {
    Json(ELEMENTS.iter().map(|e| ElementDescription::new(e, published.own_pen)).collect())
}
