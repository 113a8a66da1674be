//! Which rows of a file's dictionary tables are known.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// The number of the row of each known key. A row that is not known any more is written again.
#[derive(Debug)]
pub(crate) struct Dictionary<K> {
    ids: HashMap<K, i64, RandomState>,
    max_known: usize,
}

impl<K: Hash + Eq> Dictionary<K> {
    /// A dictionary that knows at most so many rows.
    pub(crate) fn new(max_known: usize) -> Self {
        Self { ids: HashMap::default(), max_known }
    }

    /// The number of the key's row.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<i64>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.ids.get(key).copied()
    }

    /// Adds a key; when there are too many, all others are forgotten.
    pub(crate) fn add(&mut self, key: K, id: i64) -> i64 {
        if self.ids.len() >= self.max_known {
            self.ids = HashMap::default();
        }
        self.ids.insert(key, id);
        id
    }
}
