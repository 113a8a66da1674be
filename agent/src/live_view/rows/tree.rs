//! Processes below their parents.

use std::collections::{HashMap, HashSet};

use pidflow_schema::Process;

use super::{Row, RowId};
use crate::live_view::book::{KnownFlow, ProcessKey};
use crate::live_view::cell::Cell;
use crate::live_view::tab::Tab;

/// A parent that has no flow: its name and PID.
type Ancestor = (String, u32);

/// The rows, each after its parent's and one level deeper, in the order that they have. Parents without a flow get a row
/// without figures.
pub(super) fn below_parents(rows: Vec<Row>, flows: &[&KnownFlow]) -> Vec<Row> {
    let mut forest = Forest::default();
    let processes: HashMap<ProcessKey, &Process> =
        flows.iter().flat_map(|flow| flow.processes()).map(|(_, _, p)| (ProcessKey::of(p), p)).collect();
    forest.with_flows = rows.iter().filter_map(process_id).map(|id| (id.pid, id)).collect();
    for row in rows {
        let Some(id) = process_id(&row) else { continue };
        forest.add(id, row, processes.get(&id).map_or("", |p| &p.ancestors));
    }
    forest.drawn()
}

fn process_id(row: &Row) -> Option<ProcessKey> {
    match row.id {
        RowId::Process(id) => Some(id),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct Forest {
    rows: HashMap<ProcessKey, Row>,
    /// In the order in which they were added, which is the order of the list.
    children: HashMap<Option<ProcessKey>, Vec<ProcessKey>>,
    has_parent: HashSet<ProcessKey>,
    with_flows: HashMap<u32, ProcessKey>,
}

impl Forest {
    fn add(&mut self, id: ProcessKey, row: Row, ancestors: &str) {
        self.rows.insert(id, row);
        let mut child = id;
        for (name, pid) in parse(ancestors) {
            let unknown = ProcessKey { pid, start_ns: 0 };
            let parent = self.with_flows.get(&pid).copied().unwrap_or(unknown);
            self.rows.entry(parent).or_insert_with(|| without_flows(parent, name));
            if !self.put_below(Some(parent), child) {
                return;
            }
            child = parent;
        }
        self.put_below(None, child);
    }

    /// False: it has a place already.
    fn put_below(&mut self, parent: Option<ProcessKey>, child: ProcessKey) -> bool {
        let is_new = parent != Some(child) && self.has_parent.insert(child);
        if is_new {
            self.children.entry(parent).or_default().push(child);
        }
        is_new
    }

    fn drawn(mut self) -> Vec<Row> {
        let mut drawn = Vec::with_capacity(self.rows.len());
        let mut stack: Vec<(ProcessKey, usize)> = self.below(None, 0);
        while let Some((id, depth)) = stack.pop() {
            drawn.extend(self.rows.remove(&id).map(|row| Row { depth, ..row }));
            stack.extend(self.below(Some(id), depth + 1));
        }
        // Parents that are each other's, after PIDs were used again.
        drawn.extend(self.rows.into_values());
        drawn
    }

    /// The last first.
    fn below(&self, parent: Option<ProcessKey>, depth: usize) -> Vec<(ProcessKey, usize)> {
        self.children.get(&parent).into_iter().flatten().rev().map(|id| (*id, depth)).collect()
    }
}

fn without_flows(id: ProcessKey, name: String) -> Row {
    let mut cells = vec![Cell::Unknown; Tab::Processes.columns().len()];
    for (cell, value) in cells.iter_mut().zip([Cell::Text(name), Cell::Number(id.pid.into())]) {
        *cell = value;
    }
    Row { is_past: true, ..Row::new(RowId::Process(id), cells) }
}

/// The chain of parents of [`Process::ancestors`], nearest first.
pub(in crate::live_view) fn parse(ancestors: &str) -> Vec<Ancestor> {
    let mut chain = Vec::new();
    let (mut name, mut pid, mut is_pid) = (String::new(), String::new(), false);
    let mut letters = ancestors.chars();
    while let Some(c) = letters.next() {
        match c {
            // What follows is a letter of the name.
            '\\' => name.extend(letters.next()),
            '(' => is_pid = true,
            ')' => chain.extend(pid.parse().ok().map(|pid| (name.clone(), pid))),
            '<' => (name, pid, is_pid) = (String::new(), String::new(), false),
            c if is_pid => pid.push(c),
            c => name.push(c),
        }
    }
    chain
}
