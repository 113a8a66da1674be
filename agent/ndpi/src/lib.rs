//! Classifies flows with the system's nDPI library.
//!
//! The library is loaded at run time, so that a program with this crate starts without it. All unsafe code is in [`library`] and
//! [`module`]; both state why it is sound. nDPI itself is C, and reads what strangers send: a fault in it is a fault in the process.

mod inspector;
mod layout;
mod library;
mod module;
#[cfg(test)]
mod tests;
mod trial;

pub use inspector::Ndpi;

use std::path::PathBuf;

/// Why nDPI is not used.
#[derive(Debug, thiserror::Error)]
pub enum NdpiError {
    /// The library is not installed.
    #[error("nDPI's library is not there ({0}): install it (Debian: libndpi4.2)")]
    Missing(String),
    /// The library is of a version that this crate does not know.
    #[error("nDPI {0} is of an unknown version: install 4.2 (Debian: libndpi4.2)")]
    Version(String),
    /// A function is missing.
    #[error("nDPI's library has no function {0}: install 4.2 (Debian: libndpi4.2)")]
    Function(&'static str),
    /// It does not keep its results where its version should.
    #[error("nDPI {0} was built in another way than Debian's: {1}")]
    Layout(String, &'static str),
    /// It cannot be initialized.
    #[error("nDPI cannot be initialized: not enough memory")]
    Initialization,
    /// It is in use in this process.
    #[error("nDPI is in use in this process")]
    InUse,
    /// The file with custom protocols cannot be read.
    #[error("nDPI cannot read the protocols in {}: check that the file exists and may be read", .0.display())]
    Protocols(PathBuf),
}
