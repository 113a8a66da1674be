//! The self-test checks at the start and at intervals that the attached hooks report events.
//!
//! The agent makes small connections of its own (TCP, UDP, ICMP echo and raw IP, over IPv4 and IPv6, on loopback of its own
//! network namespace) and starts one short process. Each attached hook that covers a step must report a fact of it. The
//! pipeline passes the facts to the test through a [`Tap`]. A hook counts as silent only if facts of it are missing in two rounds
//! in a row. A round is judged after the pipeline has drained all available facts, so a busy host causes no false alarm.

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
