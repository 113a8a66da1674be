//! Measures the table's memory, and returns unused memory.

use super::FlowTable;
use super::entry::Entry;
use super::index::Index;
use super::paths::Paths;
use super::slab::Slab;
use crate::inspection::Inspections;

impl FlowTable {
    /// The greatest memory of one flow, bytes: its entry, its place in the index (also while that grows), the number of
    /// its slot when free, and its share of what is kept of flows that several interfaces see.
    pub const BYTES_PER_FLOW: usize =
        size_of::<Entry>() + Index::MAX_BYTES_PER_FLOW + Slab::MAX_BYTES_PER_FREE_SLOT + Paths::MAX_BYTES_PER_FLOW;

    /// The mean memory that a flow may take in addition when its payloads are read, bytes: what is known of its application, a message
    /// that is not complete, and its share of the texts of all flows. If all flows together take more, further payloads are not read.
    pub const BYTES_PER_WATCHED_FLOW: usize = 200;

    /// The memory that a flow takes in addition when it is inspected, bytes. What is kept of flows until their verdict comes on top,
    /// see [`FlowTable::set_inspector`].
    pub const BYTES_PER_INSPECTED_FLOW: usize = Inspections::BYTES_PER_FLOW;

    /// Bytes allocated for flows now, including spare capacity.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.slab.allocated_bytes()
            + self.index.allocated_bytes()
            + self.tunnels.allocated_bytes()
            + self.paths.allocated_bytes()
            + self.translations.allocated_bytes()
            + self.watches.allocated_bytes()
            + self.healths.allocated_bytes()
            + self.figures.allocated_bytes()
            + self.inspections.allocated_bytes()
    }

    /// Returns memory if most of it is unused, as after a flood: flows are moved to the first slots, and the rest is
    /// freed. The cost is proportional to the number of slots, of which at least three quarters have become free since.
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
        self.watches.shrink(self.slab.len());
        self.healths.shrink(self.slab.len());
        self.figures.shrink(self.slab.len());
        self.inspections.shrink(self.slab.len());
    }

    fn move_flow(&mut self, from: u32, to: u32) {
        let entry = *self.slab.get(from);
        *self.slab.get_mut(to) = entry;
        self.index.replace(self.hash(&entry.key), from, to);
        self.lists.relink(&mut self.slab, to);
        if entry.has_paths() {
            self.paths.relocate(from, to);
        }
        if entry.is_watched() {
            self.watches.relocate(from, to);
        }
        if entry.is_measured() {
            self.healths.relocate(from, to);
        }
        if self.measures != 0 {
            self.figures.relocate(from, to);
        }
        if self.inspections.is_on() {
            self.inspections.relocate(from, to);
        }
        if self.config.active_timeout_ns.is_some() {
            self.by_age.relink(&mut self.slab, to);
        }
    }
}
