//! Reads a few values from a record of a database, whatever else it contains.
//!
//! A record may be hostile: its pointers may form trees without end. So every value that is visited costs, and the reading of a record
//! that costs too much fails.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Values that are visited in a record at most; GeoLite2's have about 100. A long text counts for several.
const MAX_COST: usize = 4096;
/// How deep values may be in one another. The library allows 512, for which a thread's stack may be too small.
const MAX_DEPTH: usize = 16;
/// Bytes of text that cost as much as a value.
const TEXT_BYTES: usize = 64;
/// Bytes of a text that are kept.
const MAX_TEXT: usize = 128;

/// A value that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Leaf {
    /// It is not in the record, or of another type.
    #[default]
    Absent,
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}

impl Leaf {
    /// The text; empty: there is none.
    pub(super) fn text(self) -> String {
        if let Self::Text(text) = self { text } else { String::new() }
    }
}

/// Two values, by the keys that lead to them.
pub(super) struct Wanted<'w> {
    paths: [&'static [&'static str]; 2],
    found: &'w mut [Leaf; 2],
    cost: &'w Cell<usize>,
    depth: usize,
    /// Which paths lead here so far.
    leads: [bool; 2],
}

impl<'w> Wanted<'w> {
    pub(super) fn new(paths: [&'static [&'static str]; 2], found: &'w mut [Leaf; 2], cost: &'w Cell<usize>) -> Self {
        Self { paths, found, cost, depth: 0, leads: [true; 2] }
    }

    fn pay<E: Error>(&self, cost: usize) -> Result<(), E> {
        self.cost.set(self.cost.get().saturating_add(cost));
        if self.cost.get() <= MAX_COST { Ok(()) } else { Err(E::custom("a record has too many values")) }
    }

    /// What is behind this key.
    fn behind(&mut self, key: &str) -> Wanted<'_> {
        let (depth, mut leads) = (self.depth, self.leads);
        for (leads, path) in leads.iter_mut().zip(&self.paths) {
            *leads = *leads && path.get(depth) == Some(&key);
        }
        Wanted { paths: self.paths, found: &mut *self.found, cost: self.cost, depth: depth + 1, leads }
    }

    fn nothing(&mut self) -> Wanted<'_> {
        Wanted { paths: self.paths, found: &mut *self.found, cost: self.cost, depth: self.depth + 1, leads: [false; 2] }
    }

    fn leaf(&mut self, leaf: &Leaf) {
        let here = self.leads.iter().zip(&self.paths).map(|(leads, path)| *leads && path.len() == self.depth);
        for (found, _) in self.found.iter_mut().zip(here).filter(|(_, here)| *here) {
            found.clone_from(leaf);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.pay(if self.depth > MAX_DEPTH { MAX_COST } else { 1 })?;
        deserializer.deserialize_any(self)
    }
}

/// The scalars that count as numbers, and those that are of no use.
macro_rules! scalars {
    ($($number:ident: $type:ty),*; $($other:ident: $ignored:ty),*) => {
        $(fn $number<E: Error>(mut self, value: $type) -> Result<(), E> {
            self.leaf(&Leaf::Number(value.into()));
            Ok(())
        })*
        $(fn $other<E: Error>(self, _: $ignored) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars!(visit_u16: u16, visit_u32: u32, visit_u64: u64; visit_bool: bool, visit_i32: i32, visit_u128: u128, visit_f32: f32, visit_f64: f64);

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.pay(text.len() / TEXT_BYTES)?;
        self.leaf(&Leaf::Text(pidflow_engine::texts::cut(text, MAX_TEXT).to_owned()));
        Ok(())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        self.pay(bytes.len() / TEXT_BYTES)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&str>()? {
            self.pay(1 + key.len() / TEXT_BYTES)?;
            map.next_value_seed(self.behind(key))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.nothing())?.is_some() {}
        Ok(())
    }
}
