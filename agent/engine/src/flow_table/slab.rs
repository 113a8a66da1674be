//! Where the flows are, and the lists that run through them.

use super::entry::{Entry, Link};

/// No slot. [`Slab`] never gives this number out.
const NONE: u32 = u32::MAX;

/// All flows, each in a slot whose number stays the same as long as the flow is there.
#[derive(Debug, Default)]
pub(super) struct Slab {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Slab {
    pub(super) const fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.get_mut(slot) = entry;
            return slot;
        }
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).unwrap_or(NONE - 1)
    }

    /// The slot may be given out again.
    pub(super) fn remove(&mut self, slot: u32) {
        self.get_mut(slot).live = false;
        self.free.push(slot);
    }

    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots come from `insert`, and entries are never taken out of the vector"
    )]
    pub(super) fn get(&self, slot: u32) -> &Entry {
        &self.entries[slot as usize]
    }

    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots come from `insert`, and entries are never taken out of the vector"
    )]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.entries[slot as usize]
    }

    /// Where the entry of a slot is, to be fetched ahead.
    #[inline]
    pub(super) const fn line(&self, slot: u32) -> *const Entry {
        self.entries.as_ptr().wrapping_add(slot as usize)
    }

    /// The flows in the order of their slots, which is the order in memory.
    pub(super) fn into_live(self) -> impl Iterator<Item = Entry> {
        self.entries.into_iter().filter(|entry| entry.live)
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
