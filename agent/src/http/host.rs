//! `/api/host`: the host's own figures.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::elements::NoParameters;
use super::problem::AnyRefusal;
use super::query::QueryParameters;
use crate::host::HostFigures;
use crate::published::Published;

/// The host: processors, memory, pressure, disks, interfaces, file systems, kernel
#[utoipa::path(
    get,
    path = "/api/host",
    operation_id = "host",
    responses(
        (
            status = 200,
            description = "As of the last reading, one a second; totals count since the machine started. null: not read yet.",
            body = Object
        ),
        AnyRefusal
    )
)]
pub(super) async fn page(
    State(published): State<Published>,
    _: QueryParameters<NoParameters>,
) -> Json<Option<Arc<HostFigures>>> {
    Json(published.status().host.clone())
}
