//! `/api/ledger`: where every packet went.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::elements::NoParameters;
use super::problem::AnyRefusal;
use super::query::QueryParameters;
use crate::ledger::Ledger;
use crate::published::Published;

/// The ledger: where every packet is, from the kernel's counters of each interface to the ends of records
#[utoipa::path(
    get,
    path = "/api/ledger",
    operation_id = "ledger",
    responses(
        (
            status = 200,
            description = "As of the last status, one a second; totals count since the agent started. `interfaces` and `total`: \
                `kernel` (its own counters since the capture began, received and sent), `received` by the capture's socket, of it \
                `dropped`, `unread` and `captured`; of that `in_flows`, `discarded` by reason, `to_count`; bytes of whole frames. \
                `missed`: packets that the kernel counted and the socket did not get, which are merged packets where `is_merged`. \
                `flows`: `in_flows` and `from_others` are `in_table`, `to_join` and `in_records`; `ends`: what is in records, by \
                attribution; bytes from the IP header on. `gaps`: what does not balance, empty where everything does. null: \
                nothing was counted yet.",
            body = Object
        ),
        AnyRefusal
    )
)]
pub(super) async fn page(
    State(published): State<Published>,
    _: QueryParameters<NoParameters>,
) -> Json<Option<Arc<Ledger>>> {
    Json(published.status().ledger.clone())
}
