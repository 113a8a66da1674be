//! `pidflow run -- COMMAND`: runs a command, watches the processes of its tree, and reports what they talked to.
//!
//! [`prepare`] forks the process that becomes the command. [`Watch`] consumes facts and records like other observers of
//! the pipeline. [`report`] turns what it has seen into text, JSON or Markdown; [`baseline`] compares the destinations
//! with those of an earlier run.

mod attendant;
pub(crate) mod baseline;
mod child;
mod invoker;
mod outcome;
mod output_file;
pub(crate) mod report;
mod traffic;
mod tree;
mod watch;

pub(crate) use attendant::{Attendant, Ran};
pub(crate) use child::{Prepared, prepare};
use outcome::Outcome;
pub(crate) use outcome::{NotRun, OWN_FAILURE};
pub(crate) use output_file::OutputFile;
pub(crate) use watch::Watch;
