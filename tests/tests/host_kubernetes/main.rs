//! The agent asks a kubelet and an API server, which this test plays, for pods.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES`, as for `host_attribution`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

mod authority;
mod cluster;
mod fake;
mod process;
mod run;
mod watch;
mod world;
