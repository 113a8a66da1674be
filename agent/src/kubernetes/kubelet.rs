//! The kubelet of this node: its list of pods, which it cannot watch.

use std::time::Duration;

use super::object::{List, Pod};
use super::request::Server;
use crate::http_client::Failure;

/// Interval between two readings. Names of new containers come sooner, from the links to logs.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// The longest answer, bytes: a pod takes about 10 KiB, and a node has at most a few hundred.
const MAX_ANSWER: usize = 64 << 20;

/// The pods of the node. This needs the permission `nodes/pods` (Kubernetes 1.36; before that `nodes/proxy`, which also allows
/// to run programs in containers, so that it should not be granted).
pub(super) async fn pods(kubelet: &Server) -> Result<Vec<Pod>, Failure> {
    let body = kubelet.get("/pods", "application/json").await?.all(MAX_ANSWER).await?;
    let list: List<Pod> =
        serde_json::from_slice(&body).map_err(|e| Failure::Unusable(format!("not the expected JSON: {e}")))?;
    Ok(list.items.unwrap_or_default())
}
