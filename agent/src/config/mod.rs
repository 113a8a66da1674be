//! Configuration: file, then `PIDFLOW_*` variables, then flags; the later one holds.

pub(crate) mod choices;
mod defaults;
mod file;
pub(crate) mod options;
pub(crate) mod outputs;
pub(crate) mod timeout;
pub(crate) mod values;

use std::path::Path;

use options::Options;

use crate::failure::{Failure, OrUsage};

pub(crate) use file::{line_of_exporter, line_of_option, load};

/// Flags and variables over the file, where one was named.
pub(crate) fn resolve(given: Options, file: Option<&Path>) -> Result<Options, Failure> {
    match file {
        Some(path) => Ok(given.over(load(path).or_usage()?)),
        None => Ok(given),
    }
}
