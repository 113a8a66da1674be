//! Random numbers that must differ between runs but need not be secret.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number, from the hash seeds of the standard library.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
