//! Helpers of pidflow's whole-system tests.
//!
//! `scenario` makes traffic and writes down what is true about it; `compare` holds the agent's records against that
//! truth; `agent`, `trial`, `skip` and `vm` are what the tests in `tests/` need around them.

pub mod agent;
pub mod bpf;
pub mod cgroup;
pub mod clock_steps;
pub mod collecting;
pub mod compare;
#[cfg(target_arch = "x86_64")]
pub mod detach;
pub mod guest;
pub mod namespace;
pub mod npm;
pub mod process;
pub mod records;
pub mod scenario;
pub mod serving;
#[cfg(target_arch = "x86_64")]
pub mod silenced;
pub mod slow;
pub mod sys;
pub mod traffic;
pub mod trial;
pub mod truth;
pub mod tshark;
pub mod vm;
pub mod xdp;

pub use pidflow_skip as skip;
