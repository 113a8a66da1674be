//! How much memory the table takes, and how it gives it back.

use super::FlowTable;
use super::entry::Entry;
use super::index::Index;
use super::paths::Paths;
use super::slab::Slab;

impl FlowTable {
    /// Bytes that one flow takes at the most: its entry, its place in the index (also while that grows), its slot's
    /// number when it is free, and its part of what is kept of flows that several interfaces see.
    pub const BYTES_PER_FLOW: usize =
        size_of::<Entry>() + Index::MAX_BYTES_PER_FLOW + Slab::MAX_BYTES_PER_FREE_SLOT + Paths::MAX_BYTES_PER_FLOW;

    /// Bytes that flows take now, room for more included.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.slab.allocated_bytes()
            + self.index.allocated_bytes()
            + self.tunnels.allocated_bytes()
            + self.paths.allocated_bytes()
            + self.translations.allocated_bytes()
    }

    /// Gives memory back when most of it is unused, as after a flood: flows move together, and what is behind is freed.
    /// That costs a time in proportion to the slots, which at least three quarters as many ended flows paid for.
    pub(super) fn return_memory(&mut self) {
        if !self.slab.is_mostly_free() {
            return;
        }
        for (from, to) in self.slab.moves() {
            self.move_flow(from, to);
        }
        self.slab.truncate();
        self.index.shrink();
        self.tunnels.shrink();
        self.paths.shrink();
    }

    fn move_flow(&mut self, from: u32, to: u32) {
        let entry = *self.slab.get(from);
        *self.slab.get_mut(to) = entry;
        self.index.replace(self.hash(&entry.key), from, to);
        self.lists.relink(&mut self.slab, to);
        if entry.has_paths() {
            self.paths.relocate(from, to);
        }
        if self.config.active_timeout_ns.is_some() {
            self.by_age.relink(&mut self.slab, to);
        }
    }
}
