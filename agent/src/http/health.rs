//! `/livez` and `/readyz`.

use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;

/// The process serves.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 when everything is attached and running, 503 with the reasons when not. What works less well than
/// it could is said in both cases.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    let status = shared.status();
    let degraded = status.degraded.iter().map(|d| format!("degraded: {d}\n"));
    match status.not_ready.as_slice() {
        [] => (StatusCode::OK, ["ok\n".to_owned()].into_iter().chain(degraded).collect()),
        reasons => {
            let reasons = reasons.iter().map(|r| format!("not ready: {r}\n"));
            (StatusCode::SERVICE_UNAVAILABLE, reasons.chain(degraded).collect())
        }
    }
}
