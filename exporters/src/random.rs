//! Chance, for what must differ from run to run and need not be secret.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Any number; the standard library's hash seeds are random enough.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
