//! A test that the attached hooks deliver, at the start and at intervals.
//!
//! The agent makes small connections of its own (TCP and UDP, IPv4 and IPv6, in its own network namespace, over loopback) and
//! starts one short process. Each step of it must come back as a fact of the hook that serves it. The pipeline hands the facts
//! over through a [`Tap`]. A hook is silent only if its fact is missing twice in a row, after the pipeline took every fact that
//! was there: how busy the host is does not matter.

mod child;
mod datagrams;
mod expected;
mod judgement;
mod live;
mod outcome;
mod own;
mod round;
mod streams;
mod tap;

pub(crate) use judgement::{Judgement, Silent};
pub(crate) use live::start;
pub(crate) use outcome::{Outcome, State};
pub(crate) use own::OwnProcess;
pub(crate) use round::Bench;
pub(crate) use tap::Tap;
