//! Holds records until their window is over.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use pidflow_schema::FlowRecord;

use crate::counters::Counters;
use crate::flow::{Found, HeldFlow, is_half};
use crate::whole::whole;

/// How long a flow waits for agents on its way, such as on a router, once both ends have ended.
const WAIT_FOR_OTHERS_NS: u64 = 1_000_000_000;
/// How long what was handed on of a flow that goes on is remembered after its last record, at least.
const MIN_MEMORY_NS: u64 = 300_000_000_000;
/// Memory of a flow beside itself, bytes: its place in the map and in the queues.
const PLACE_BYTES: usize = 192;
/// Queues may have so many times that are no longer valid, beside as many as there are flows.
const MAX_STALE: usize = 4096;

/// Settings of a [`Glue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a record waits for those of other agents, nanoseconds.
    pub window_ns: u64,
    /// Memory of all flows that are held or remembered, bytes. Beyond it, those that have waited longest are handed on.
    pub max_bytes: usize,
}

type Key = [u8; 16];

/// When a flow is due, which flow it is, and the turn that makes it so: a later turn has another time.
#[derive(Debug, Clone, Copy)]
struct Due {
    at_ns: u64,
    key: Key,
    turn: u64,
}

/// Puts records together.
#[derive(Debug)]
pub struct Glue {
    settings: Settings,
    flows: HashMap<Key, Box<HeldFlow>, RandomState>,
    /// Flows whose window ends, flows that are whole, and flows that are only remembered; each in the order of time.
    windows: VecDeque<Due>,
    wholes: VecDeque<Due>,
    memories: VecDeque<Due>,
    turns: u64,
    bytes: usize,
    counters: Counters,
}

impl Glue {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            flows: HashMap::default(),
            windows: VecDeque::new(),
            wholes: VecDeque::new(),
            memories: VecDeque::new(),
            turns: 0,
            bytes: 0,
            counters: Counters::default(),
        }
    }

    /// Counters since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Number of flows that are held or remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Their memory, bytes; at most [`Settings::max_bytes`] after each call.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a record that arrived at `now_ns`, and appends those that are ready to `out`.
    pub fn add(&mut self, record: FlowRecord, now_ns: u64, out: &mut Vec<FlowRecord>) {
        if !is_half(&record) {
            self.counters.passed += 1;
            out.push(record);
            return;
        }
        let key = record.flow.key().octets;
        let found = self.flows.get(&key).map_or(Found::New, |flow| flow.find(&record));
        match found {
            Found::Repeated => self.counters.repeated += 1,
            Found::Late | Found::Surplus => {
                *(if found == Found::Late { &mut self.counters.late } else { &mut self.counters.ambiguous }) += 1;
                out.push(record);
            }
            Found::Next => {
                self.end(&key, out);
                self.hold(key, record, now_ns);
            }
            Found::New => self.hold(key, record, now_ns),
        }
        while self.bytes > self.settings.max_bytes && self.push_out(out) {}
    }

    fn hold(&mut self, key: Key, record: FlowRecord, now_ns: u64) {
        self.counters.held += 1;
        let mut is_new = false;
        let flow = self.flows.entry(key).or_insert_with(|| {
            is_new = true;
            Box::new(HeldFlow::new(&record))
        });
        let before = if is_new { 0 } else { flow.bytes() + PLACE_BYTES };
        let (was_pending, was_whole) = (flow.is_pending(), flow.is_whole());
        flow.add(Box::new(record));
        self.bytes = self.bytes - before + flow.bytes() + PLACE_BYTES;
        let becomes_whole = flow.is_whole() && !(was_whole && was_pending);
        if becomes_whole || !was_pending {
            self.turns += 1;
            flow.turn = self.turns;
            let (queue, wait_ns) = match becomes_whole {
                true => (&mut self.wholes, WAIT_FOR_OTHERS_NS.min(self.settings.window_ns)),
                false => (&mut self.windows, self.settings.window_ns),
            };
            queue.push_back(Due { at_ns: now_ns.saturating_add(wait_ns), key, turn: self.turns });
            self.tidy();
        }
    }

    /// Leaves out times that are no longer valid, when they are many.
    fn tidy(&mut self) {
        let Self { flows, windows, wholes, memories, .. } = self;
        for queue in [windows, wholes, memories] {
            if queue.len() > flows.len() + MAX_STALE {
                queue.retain(|due| flows.get(&due.key).is_some_and(|flow| flow.turn == due.turn));
            }
        }
    }

    /// Appends the records whose time has come.
    pub fn expire(&mut self, now_ns: u64, out: &mut Vec<FlowRecord>) {
        while let Some(due) = next(&mut self.wholes, now_ns).or_else(|| next(&mut self.windows, now_ns)) {
            if self.is_current(due) {
                self.hand_on(&due.key, now_ns, out);
            }
        }
        while let Some(due) = next(&mut self.memories, now_ns) {
            if self.is_current(due) {
                self.forget(&due.key);
            }
        }
    }

    /// Appends all records that are held, because no more will come.
    pub fn drain(&mut self, out: &mut Vec<FlowRecord>) {
        let keys: Vec<Key> = self.flows.keys().copied().collect();
        keys.iter().for_each(|key| self.end(key, out));
        for queue in [&mut self.windows, &mut self.wholes, &mut self.memories] {
            queue.clear();
        }
    }

    fn is_current(&self, due: Due) -> bool {
        self.flows.get(&due.key).is_some_and(|flow| flow.turn == due.turn)
    }

    fn forget(&mut self, key: &Key) -> Option<Box<HeldFlow>> {
        let flow = self.flows.remove(key)?;
        self.bytes = self.bytes.saturating_sub(flow.bytes() + PLACE_BYTES);
        Some(flow)
    }

    /// Hands on what is held of a flow, and forgets it.
    fn end(&mut self, key: &Key, out: &mut Vec<FlowRecord>) {
        if let Some(mut flow) = self.forget(key) {
            self.counters.emit(&mut flow, out);
        }
    }

    /// Hands on what is held of a flow, and remembers what that was.
    fn hand_on(&mut self, key: &Key, now_ns: u64, out: &mut Vec<FlowRecord>) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        let before = flow.bytes();
        self.counters.emit(flow, out);
        flow.rest();
        self.bytes = self.bytes + flow.bytes() - before;
        self.turns += 1;
        flow.turn = self.turns;
        let window_ns = self.settings.window_ns;
        let memory_ns = if flow.is_over { window_ns } else { window_ns.max(MIN_MEMORY_NS) };
        self.memories.push_back(Due { at_ns: now_ns.saturating_add(memory_ns), key: *key, turn: self.turns });
    }

    /// Makes room: first what is only remembered, then the flow that has waited longest, whose records go out as they came. False:
    /// nothing is left.
    fn push_out(&mut self, out: &mut Vec<FlowRecord>) -> bool {
        let queues = [&mut self.memories, &mut self.windows, &mut self.wholes];
        let Some(due) = queues.into_iter().find_map(VecDeque::pop_front) else { return false };
        if self.is_current(due)
            && let Some(mut flow) = self.forget(&due.key)
        {
            let apart = flow.take_apart();
            self.counters.pushed_out += apart.len() as u64;
            out.extend(apart);
        }
        true
    }
}

impl Counters {
    /// Hands on what is held of a flow.
    fn emit(&mut self, flow: &mut HeldFlow, out: &mut Vec<FlowRecord>) {
        if flow.is_ambiguous {
            let apart = flow.take_apart();
            self.ambiguous += apart.len() as u64;
            out.extend(apart);
        } else if let Some(record) = whole(flow) {
            let is_glued = record.glued.as_ref().is_some_and(|glued| glued.is_of_two_ends());
            *(if is_glued { &mut self.glued } else { &mut self.alone }) += 1;
            out.push(record);
        }
    }
}

/// Takes the first one whose time has come.
fn next(queue: &mut VecDeque<Due>, now_ns: u64) -> Option<Due> {
    queue.pop_front_if(|due| due.at_ns <= now_ns)
}
