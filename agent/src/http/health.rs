//! `/livez` and `/readyz`.

use axum::extract::State;
use axum::http::StatusCode;

use super::problem::AnyRefusal;
use crate::published::Published;

/// Whether the agent works
#[utoipa::path(
    get,
    path = "/livez",
    security(()),
    responses(
        (status = 200, description = "It does.", body = String, content_type = "text/plain"),
        (status = 503, description = "The pipeline hangs; the line states for how long.", body = String, content_type = "text/plain"),
        AnyRefusal
    )
)]
pub(super) async fn live(State(published): State<Published>) -> (StatusCode, String) {
    match published.silence() {
        None => (StatusCode::OK, "ok\n".into()),
        Some(silence) => (StatusCode::SERVICE_UNAVAILABLE, format!("dead: {silence}\n")),
    }
}

/// Whether everything is attached and running, with reasons
///
/// Both answers list what is degraded. Unreachable receivers do not count: records wait for them (`/metrics` has the
/// number), and the agent still sees flows and answers.
#[utoipa::path(
    get,
    path = "/readyz",
    security(()),
    responses(
        (status = 200, description = "The agent is ready; lines with \"degraded:\" may follow.", body = String, content_type = "text/plain"),
        (status = 503, description = "The agent is not ready; one line for each reason.", body = String, content_type = "text/plain"),
        AnyRefusal
    )
)]
pub(super) async fn ready(State(published): State<Published>) -> (StatusCode, String) {
    let status = published.status();
    let degraded = status.degraded.iter().map(|d| format!("degraded: {d}\n"));
    match status.not_ready.as_slice() {
        [] => (StatusCode::OK, ["ok\n".to_owned()].into_iter().chain(degraded).collect()),
        reasons => {
            let reasons = reasons.iter().map(|r| format!("not ready: {r}\n"));
            (StatusCode::SERVICE_UNAVAILABLE, reasons.chain(degraded).collect())
        }
    }
}
