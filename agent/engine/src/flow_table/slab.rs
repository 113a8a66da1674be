//! Where the flows are, and the lists that run through them.

use super::entry::{Entry, Link};

/// No slot. [`Slab`] never gives this number out.
const NONE: u32 = u32::MAX;

/// Flows per chunk, a power of two.
const CHUNK: usize = 1024;

/// All flows, each in a slot whose number stays the same as long as the flow is there. They lie in chunks: a vector
/// of all of them would be there twice while it grows.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Entry>>,
    used: usize,
    free: Vec<u32>,
}

impl Slab {
    pub(super) const fn len(&self) -> usize {
        self.used - self.free.len()
    }

    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.get_mut(slot) = entry;
            return slot;
        }
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
        self.used += 1;
        u32::try_from(self.used - 1).unwrap_or(NONE - 1)
    }

    /// The slot may be given out again.
    pub(super) fn remove(&mut self, slot: u32) {
        self.get_mut(slot).live = false;
        self.free.push(slot);
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "slots come from `insert`, and chunks never shrink")]
    pub(super) fn get(&self, slot: u32) -> &Entry {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "slots come from `insert`, and chunks never shrink")]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// Where the entry of a slot is, to be fetched ahead.
    #[inline]
    pub(super) fn line(&self, slot: u32) -> *const Entry {
        let chunk = self.chunks.get(slot as usize / CHUNK);
        chunk.map_or(std::ptr::null(), |chunk| chunk.as_ptr().wrapping_add(slot as usize % CHUNK))
    }

    /// The flows in the order of their slots, which is the order in memory; chunks go as they are read.
    pub(super) fn into_live(self) -> impl Iterator<Item = Entry> {
        self.chunks.into_iter().flatten().filter(|entry| entry.live)
    }
}

/// Which of an entry's two links a list uses.
pub(super) trait Chain {
    /// The link.
    fn link(entry: &mut Entry) -> &mut Link;
    /// The same for reading.
    fn peek(entry: &Entry) -> Link;
}

/// By time of the last packet; or, for closing flows, by time of closing.
#[derive(Debug)]
pub(super) struct Activity;

impl Chain for Activity {
    fn link(entry: &mut Entry) -> &mut Link {
        &mut entry.activity
    }

    fn peek(entry: &Entry) -> Link {
        entry.activity
    }
}

/// By time of the first packet of the record.
#[derive(Debug)]
pub(super) struct Age;

impl Chain for Age {
    fn link(entry: &mut Entry) -> &mut Link {
        &mut entry.age
    }

    fn peek(entry: &Entry) -> Link {
        entry.age
    }
}

/// A doubly linked list through the entries of a slab.
#[derive(Debug)]
pub(super) struct List<C> {
    first: u32,
    last: u32,
    chain: std::marker::PhantomData<C>,
}

impl<C> Default for List<C> {
    fn default() -> Self {
        Self { first: NONE, last: NONE, chain: std::marker::PhantomData }
    }
}

impl<C: Chain> List<C> {
    /// The slot that was put in before all others.
    pub(super) const fn first(&self) -> Option<u32> {
        match self.first {
            NONE => None,
            slot => Some(slot),
        }
    }

    pub(super) fn push(&mut self, slab: &mut Slab, slot: u32) {
        *C::link(slab.get_mut(slot)) = Link { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = slot,
            last => C::link(slab.get_mut(last)).after = slot,
        }
        self.last = slot;
    }

    /// Takes out a slot that is in this list.
    pub(super) fn remove(&mut self, slab: &mut Slab, slot: u32) {
        let Link { before, after } = C::peek(slab.get(slot));
        match before {
            NONE => self.first = after,
            before => C::link(slab.get_mut(before)).after = after,
        }
        match after {
            NONE => self.last = before,
            after => C::link(slab.get_mut(after)).before = before,
        }
    }
}
