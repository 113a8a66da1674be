//! `/metrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;
use super::problem::AnyRefusal;
use crate::metrics::openmetrics;

/// Metrics for Prometheus (OpenMetrics 1.0)
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses(
        (status = 200, description = "OpenMetrics.", body = String, content_type = "application/openmetrics-text"),
        AnyRefusal
    )
)]
pub(super) async fn page(State(shared): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, openmetrics::CONTENT_TYPE)], openmetrics::encode(&shared.families()))
}
