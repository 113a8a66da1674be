//! A list on the screen: what it shows, its order, and the selected row.

use super::rows::{Row, RowId, Sorting};
use super::tab::Tab;

/// A list.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    /// What it shows.
    pub(super) tab: Tab,
    /// Its order.
    pub(super) sorting: Sorting,
    /// Its rows, as of the last refresh.
    pub(super) rows: Vec<Row>,
    /// The number of the selected row.
    pub(super) index: usize,
    /// The selected row; none: the first one, whichever that is.
    selected: Option<RowId>,
}

impl Listing {
    /// Without rows, in its first order.
    pub(super) const fn new(tab: Tab) -> Self {
        let sorting = Sorting { column: tab.first_sorted(), is_reversed: false };
        Self { tab, sorting, rows: Vec::new(), index: 0, selected: None }
    }

    /// Replaces the rows. The selection stays on its row, or, if that is gone, where it was.
    pub(super) fn refresh(&mut self, rows: Vec<Row>) {
        let found = self.selected.as_ref().and_then(|id| rows.iter().position(|row| row.id == *id));
        self.rows = rows;
        self.index = found.unwrap_or(if self.selected.is_some() { self.index } else { 0 }).min(self.last());
    }

    fn last(&self) -> usize {
        self.rows.len().saturating_sub(1)
    }

    /// Moves the selection by that many rows.
    pub(super) fn step(&mut self, by: isize) {
        self.index = self.index.saturating_add_signed(by).min(self.last());
        // At the top, the selection follows whatever comes first.
        self.selected = self.row().map(|row| row.id.clone()).filter(|_| self.index > 0);
    }

    /// Sorts by another column, to the left or to the right.
    pub(super) const fn sort_by_neighbour(&mut self, is_right: bool) {
        let columns = self.tab.columns().len();
        let by = if is_right { 1 } else { columns - 1 };
        self.sorting = Sorting { column: (self.sorting.column + by) % columns, is_reversed: false };
    }

    /// The selected row.
    pub(super) fn row(&self) -> Option<&Row> {
        self.rows.get(self.index)
    }
}
