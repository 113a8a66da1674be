//! Texts that many entries of a table have. Each is stored once.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

/// Memory of a text beyond its bytes: reference counts, and its place in the set.
const OVERHEAD_BYTES: usize = 48;

/// The texts in use.
#[derive(Debug, Default)]
pub struct Texts {
    known: HashSet<Arc<str>, RandomState>,
    bytes: usize,
}

impl Texts {
    /// The shared copy of the first `max` bytes of a text.
    pub fn share(&mut self, text: &str, max: usize) -> Arc<str> {
        let text = cut(text, max);
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.bytes += new.len() + OVERHEAD_BYTES;
        self.known.insert(Arc::clone(&new));
        new
    }

    /// Drops texts that are no longer used.
    pub fn forget_unused(&mut self) {
        let bytes = &mut self.bytes;
        self.known.retain(|text| {
            let is_used = Arc::strong_count(text) > 1;
            if !is_used {
                *bytes -= text.len() + OVERHEAD_BYTES;
            }
            is_used
        });
    }

    /// Memory of all of them, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// The first `max` bytes, or a few less, so that no character is cut.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn equal_texts_are_one_and_unused_ones_go() {
        let mut texts = Texts::default();
        let (a, b) = (texts.share("curl", 9), texts.share("curl-and-more", 4));
        assert!(std::sync::Arc::ptr_eq(&a, &b));
        assert_eq!(&*texts.share("häh", 2), "h", "no half characters");
        texts.forget_unused();
        assert_eq!(texts.known.len(), 1);
        drop((a, b));
        texts.forget_unused();
        assert_eq!(texts.bytes(), 0);
    }
}
