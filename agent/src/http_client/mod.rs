//! What clients of the HTTP servers that know pods and containers have in common: bodies of answers, failures, pauses between
//! attempts.

mod body;
mod failure;
mod pause;

pub(crate) use body::Body;
pub(crate) use failure::Failure;
pub(crate) use pause::Pause;
