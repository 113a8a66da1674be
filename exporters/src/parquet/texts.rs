//! The texts of one column of a row group. Many records have the same ones, so that most are stored once.

use std::io::Write;
use std::mem;

use parquet::data_type::ByteArray;
use pidflow_schema::Value;

use crate::json::{put_ipv4, put_mac};

/// Number of texts that are remembered in order to find equal ones.
const REMEMBERED: usize = 64;
/// An odd number whose bits are spread evenly (the golden ratio times 2^64).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a text is in the bytes of its column.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: u32,
    length: u32,
}

/// Texts behind one another.
pub(super) struct Texts {
    octets: Vec<u8>,
    /// The text of each record.
    places: Vec<Place>,
    /// Texts that came lately, by their hash.
    remembered: [Place; REMEMBERED],
    /// An address as text.
    shown: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        let remembered = [Place::default(); REMEMBERED];
        Self { octets: Vec::new(), places: Vec::new(), remembered, shown: Vec::new() }
    }
}

impl Texts {
    /// Adds a text. Returns the bytes that it takes in memory.
    pub(super) fn push(&mut self, value: &Value<'_>) -> usize {
        if let Value::Text(text) = value {
            return self.push_octets(text.as_bytes());
        }
        let mut shown = mem::take(&mut self.shown);
        shown.clear();
        match value {
            Value::Ipv4(a) => put_ipv4(*a, &mut shown),
            // Writing to a `Vec` cannot fail.
            Value::Ipv6(a) => drop(write!(shown, "{a}")),
            Value::Mac(a) => put_mac(*a, &mut shown),
            Value::Text(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Time(_) => {}
        }
        let octets = self.push_octets(&shown);
        self.shown = shown;
        octets
    }

    fn push_octets(&mut self, text: &[u8]) -> usize {
        let before = self.octets.len();
        let at = usize::try_from(hash(text) % REMEMBERED as u64).unwrap_or(0);
        let place = match self.remembered.get(at) {
            Some(known) if self.text(*known) == Some(text) => *known,
            _ => self.append(text),
        };
        if let Some(known) = self.remembered.get_mut(at) {
            *known = place;
        }
        self.places.push(place);
        size_of::<Place>() + self.octets.len() - before
    }

    fn text(&self, place: Place) -> Option<&[u8]> {
        self.octets.get(place.start as usize..)?.get(..place.length as usize)
    }

    /// A row group is full long before its texts need more than 32 bits.
    fn append(&mut self, text: &[u8]) -> Place {
        let (start, length) = (u32::try_from(self.octets.len()), u32::try_from(text.len()));
        let (Ok(start), Ok(length)) = (start, length) else { return Place::default() };
        self.octets.extend_from_slice(text);
        Place { start, length }
    }

    /// The texts of all records, which are forgotten.
    pub(super) fn take(&mut self) -> Vec<ByteArray> {
        // The next row group is about as large.
        let next = Vec::with_capacity(self.octets.len());
        let octets = ByteArray::from(mem::replace(&mut self.octets, next));
        self.remembered = [Place::default(); REMEMBERED];
        self.places.iter().map(|at| octets.slice(at.start as usize, at.length as usize)).collect()
    }

    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.places.clear();
        self.remembered = [Place::default(); REMEMBERED];
    }
}

/// A number that differs between most texts: of their length and of the bytes at both ends.
fn hash(text: &[u8]) -> u64 {
    let word = |octets: Option<&[u8; 8]>| octets.map_or(0, |octets| u64::from_le_bytes(*octets));
    let short = || text.iter().fold(0_u64, |all, octet| all << 8 | u64::from(*octet));
    let ends = match text.first_chunk::<8>() {
        Some(first) => word(Some(first)) ^ word(text.last_chunk::<8>()).rotate_left(29),
        None => short(),
    };
    (ends ^ text.len() as u64).wrapping_mul(SPREAD) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_stored_once_and_come_back_in_order() {
        let mut texts = Texts::default();
        let given = ["nginx", "curl", "", "nginx", "a text that is longer", "curl", "", "a text that is longex"];
        for _ in 0..3 {
            for text in given {
                texts.push(&Value::text(text));
            }
            texts.push(&Value::Ipv4([192, 0, 2, 1].into()));
            texts.push(&Value::Mac([0, 1, 2, 3, 4, 255]));
            assert_eq!(texts.octets.len(), "nginxcurl".len() + 2 * 21 + "192.0.2.100:01:02:03:04:ff".len());
            let taken: Vec<_> = texts.take().iter().map(|t| t.as_utf8().unwrap().to_owned()).collect();
            assert_eq!(taken[..8], given);
            assert_eq!(taken[8..], ["192.0.2.1", "00:01:02:03:04:ff"]);
            texts.clear();
        }
    }
}
