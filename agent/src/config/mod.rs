//! Configuration: file, then `PIDFLOW_*` variables, then flags; a later one overrides the earlier ones.

mod app_specific;
mod budget;
pub(crate) mod choices;
mod collect;
mod containers;
mod defaults;
mod file;
mod kubernetes;
mod kubernetes_settings;
mod layers;
pub(crate) mod options;
pub(crate) mod outputs;
pub(crate) mod size;
pub(crate) mod switches;
pub(crate) mod timeout;
pub(crate) mod values;

use std::path::Path;

use options::Options;

use crate::failure::{Failure, OrUsage};

pub(crate) use collect::CollectOptions;
pub(crate) use file::{line_of_collect, line_of_exporter, line_of_option, load};

/// The options from flags and variables, and from the file if one was given.
pub(crate) fn resolve(given: Options, file: Option<&Path>) -> Result<Options, Failure> {
    match file {
        Some(path) => Ok(given.over(load(path).or_usage()?)),
        None => Ok(given),
    }
}
