//! Stores the flows, and implements the lists that link them.

use super::entry::{Entry, Neighbours};
use super::state::State;

/// No slot. [`Slab`] never assigns this number.
const NO_SLOT: u32 = u32::MAX;

/// Flows per chunk, a power of two.
const FLOWS_PER_CHUNK: usize = 1024;

/// With fewer slots (1.5 MB), memory is not returned.
const MIN_SLOTS_TO_SHRINK: usize = 8 * FLOWS_PER_CHUNK;

/// All flows, each in a slot whose number stays the same until the slab shrinks. They are stored in chunks, because a
/// single vector would need twice the memory while it grows.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Entry>>,
    used: usize,
    free: Vec<u32>,
}

impl Slab {
    /// A vector may have capacity for twice as many numbers as it contains.
    pub(super) const MAX_BYTES_PER_FREE_SLOT: usize = 2 * size_of::<u32>();

    pub(super) const fn len(&self) -> usize {
        self.used - self.free.len()
    }

    #[inline]
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.get_mut(slot) = entry;
            return slot;
        }
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < FLOWS_PER_CHUNK => chunk.push(entry),
            _ => {
                let mut chunk = Vec::with_capacity(FLOWS_PER_CHUNK);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
        self.used += 1;
        u32::try_from(self.used - 1).unwrap_or(NO_SLOT - 1)
    }

    /// Frees a slot for reuse.
    pub(super) fn remove(&mut self, slot: u32) {
        self.get_mut(slot).state = State::Free;
        self.free.push(slot);
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "slots come from `insert`, and `truncate` leaves every live one")]
    pub(super) fn get(&self, slot: u32) -> &Entry {
        &self.chunks[slot as usize / FLOWS_PER_CHUNK][slot as usize % FLOWS_PER_CHUNK]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "slots come from `insert`, and `truncate` leaves every live one")]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.chunks[slot as usize / FLOWS_PER_CHUNK][slot as usize % FLOWS_PER_CHUNK]
    }

    /// Whether less than a quarter of the slots is in use and the slab is not small.
    pub(super) const fn is_mostly_free(&self) -> bool {
        self.used > MIN_SLOTS_TO_SHRINK && self.len() < self.used / 4
    }

    /// The moves (from, to) after which all entries are in the first slots; see [`Slab::truncate`].
    pub(super) fn moves(&self) -> Vec<(u32, u32)> {
        let is_live = |slot: &u32| self.get(*slot).state != State::Free;
        let live = u32::try_from(self.len()).unwrap_or(NO_SLOT);
        let used = u32::try_from(self.used).unwrap_or(NO_SLOT);
        (live..used).filter(is_live).zip((0..live).filter(|slot| !is_live(slot))).collect()
    }

    /// Frees all slots after the first ones, in which all entries must be.
    pub(super) fn truncate(&mut self) {
        self.used = self.len();
        self.free = Vec::new();
        self.chunks.truncate(self.used.div_ceil(FLOWS_PER_CHUNK));
        self.chunks.shrink_to_fit();
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.truncate((self.used - 1) % FLOWS_PER_CHUNK + 1);
        }
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        let entries = self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<Entry>();
        entries + self.chunks.capacity() * size_of::<Vec<Entry>>() + self.free.capacity() * size_of::<u32>()
    }

    /// The address of a slot's entry, for prefetching.
    #[inline]
    pub(super) fn line(&self, slot: u32) -> *const Entry {
        let chunk = self.chunks.get(slot as usize / FLOWS_PER_CHUNK);
        chunk.map_or(std::ptr::null(), |chunk| chunk.as_ptr().wrapping_add(slot as usize % FLOWS_PER_CHUNK))
    }

    /// The flows in the order of their slots.
    pub(super) fn live(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flatten().filter(|entry| entry.state != State::Free)
    }

    /// The flows and their slots, in the order of these, which is the order in memory. Chunks are freed as they are read.
    pub(super) fn into_live(self) -> impl Iterator<Item = (u32, Entry)> {
        (0..).zip(self.chunks.into_iter().flatten()).filter(|(_, entry)| entry.state != State::Free)
    }
}

/// Which of an entry's two links a list uses.
pub(super) trait Chain {
    /// The link.
    fn link(entry: &mut Entry) -> &mut Neighbours;
    /// The same for reading.
    fn peek(entry: &Entry) -> Neighbours;
}

/// Order by time of the last packet, or, for closing flows, by time of closing.
#[derive(Debug)]
pub(super) struct Activity;

impl Chain for Activity {
    fn link(entry: &mut Entry) -> &mut Neighbours {
        &mut entry.activity
    }

    fn peek(entry: &Entry) -> Neighbours {
        entry.activity
    }
}

/// Order by time of the first packet of the record.
#[derive(Debug)]
pub(super) struct Age;

impl Chain for Age {
    fn link(entry: &mut Entry) -> &mut Neighbours {
        &mut entry.age
    }

    fn peek(entry: &Entry) -> Neighbours {
        entry.age
    }
}

/// A doubly linked list through the entries of a slab.
#[derive(Debug)]
pub(super) struct List<C> {
    first: u32,
    last: u32,
    len: usize,
    chain: std::marker::PhantomData<C>,
}

impl<C> Default for List<C> {
    fn default() -> Self {
        Self { first: NO_SLOT, last: NO_SLOT, len: 0, chain: std::marker::PhantomData }
    }
}

impl<C: Chain> List<C> {
    /// The slot that was added first.
    pub(super) const fn first(&self) -> Option<u32> {
        match self.first {
            NO_SLOT => None,
            slot => Some(slot),
        }
    }

    /// Number of slots in the list.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, slab: &mut Slab, slot: u32) {
        self.len += 1;
        *C::link(slab.get_mut(slot)) = Neighbours { before: self.last, after: NO_SLOT };
        match self.last {
            NO_SLOT => self.first = slot,
            last => C::link(slab.get_mut(last)).after = slot,
        }
        self.last = slot;
    }

    /// Removes a slot that is in this list.
    pub(super) fn remove(&mut self, slab: &mut Slab, slot: u32) {
        self.len = self.len.saturating_sub(1);
        let Neighbours { before, after } = C::peek(slab.get(slot));
        match before {
            NO_SLOT => self.first = after,
            before => C::link(slab.get_mut(before)).after = after,
        }
        match after {
            NO_SLOT => self.last = before,
            after => C::link(slab.get_mut(after)).before = before,
        }
    }

    /// Updates the links after an entry of this list was moved to the slot `to`.
    pub(super) fn relink(&mut self, slab: &mut Slab, to: u32) {
        let Neighbours { before, after } = C::peek(slab.get(to));
        match before {
            NO_SLOT => self.first = to,
            before => C::link(slab.get_mut(before)).after = to,
        }
        match after {
            NO_SLOT => self.last = to,
            after => C::link(slab.get_mut(after)).before = to,
        }
    }
}
