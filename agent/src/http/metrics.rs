//! `/metrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;
use crate::metrics::{families, openmetrics};

/// OpenMetrics text.
pub(super) async fn page(State(shared): State<Shared>) -> impl IntoResponse {
    let families = families::families(&shared.status(), &shared.host);
    ([(CONTENT_TYPE, openmetrics::CONTENT_TYPE)], openmetrics::encode(&families))
}
