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
        (status = 503, description = "Its pipeline hangs; the line says for how long.", body = String, content_type = "text/plain"),
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
/// What is degraded is named in both cases. Receivers that are away are no reason: records wait for them
/// (`/metrics` says how many), and the agent sees flows and answers anyway.
#[utoipa::path(
    get,
    path = "/readyz",
    security(()),
    responses(
        (status = 200, description = "It is; lines with \"degraded:\" may follow.", body = String, content_type = "text/plain"),
        (status = 503, description = "It is not, with a line for each reason.", body = String, content_type = "text/plain"),
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
