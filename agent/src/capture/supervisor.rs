//! The thread that opens interfaces as they appear, and logs their changes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pidflow_exporters::threads::Threads;

use super::inventory::Inventory;
use super::link::Link;
use super::links::Event;
use super::meter::Meter;
use super::open::{self, Handle, Target, interface_index};
use super::watch::{Ended, Watch};
use super::{Interfaces, LiveOptions, MAX_SOURCES, PacketBatch, Shared};
use crate::privileges::Role;
use pidflow_capture::CaptureError;
use pidflow_capture::InterfaceChanges;

/// Time between two attempts to open an interface.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The greatest sum of the kernel buffers of all interfaces, bytes.
const MAX_BUFFERS: u32 = 256 * 1024 * 1024;
/// The smallest buffer of one interface, bytes.
const MIN_BUFFER: u32 = 1024 * 1024;

/// The greatest number of log lines about interfaces that see the same packets.
const MAX_OVERLAPS: usize = 64;
/// The greatest number of interfaces that such a line names.
const MAX_OVERLAPPING_NAMES: usize = 5;

pub(super) struct Supervisor {
    options: LiveOptions,
    shared: Arc<Shared>,
    batches: Sender<PacketBatch>,
    inventory: Inventory,
    meter: Meter,
    /// Packet threads, indexed by source number.
    running: Vec<Option<Running>>,
    /// Existing interfaces that were opened, by index, in their state at that time: they stay captured under any name.
    opened: BTreeMap<u32, Link>,
    /// Interfaces that cannot be captured at present, by index.
    failing: BTreeMap<u32, Failing>,
    /// Names of interfaces that are not captured because of [`MAX_SOURCES`].
    left_out: Vec<String>,
    changes: InterfaceChanges,
    /// Interfaces for which the log already has a line about overlaps.
    overlaps: HashSet<String>,
}

/// A packet thread.
struct Running {
    target: Target,
    /// Signals the thread that its interface has disappeared.
    is_gone: Arc<AtomicBool>,
    thread: JoinHandle<Ended>,
}

/// An interface that should be captured.
struct Failing {
    name: Arc<str>,
    next_try: Instant,
    /// Why it is not captured.
    message: String,
    /// Each message is logged once.
    is_logged: bool,
}

impl Running {
    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }
}

impl Supervisor {
    /// Opens the interfaces that exist now and starts to read them.
    pub(super) fn start(
        options: LiveOptions,
        shared: Arc<Shared>,
        batches: Sender<PacketBatch>,
    ) -> Result<Self, CaptureError> {
        let (inventory, changes) = (Inventory::learn(), InterfaceChanges::default());
        let (running, opened, failing) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let left_out = Vec::new();
        let meter = Meter::new();
        let mut this = Self {
            options,
            shared,
            batches,
            inventory,
            meter,
            running,
            opened,
            failing,
            left_out,
            changes,
            overlaps: HashSet::new(),
        };
        this.publish_names();
        this.tell_overlaps();
        let targets = this.targets()?;
        let buffer = this.buffer(targets.len());
        for (target, handle) in this.open_first(targets, buffer)? {
            this.spawn(target, handle)?;
        }
        this.read_counters();
        Ok(this)
    }

    /// Opens the interfaces at the start. With `all`, one that cannot be opened keeps no other from being captured; it is
    /// logged and tried again by [`Self::run`].
    fn open_first(&self, targets: Vec<Target>, buffer: u32) -> Result<Vec<(Target, Handle)>, CaptureError> {
        let (mut opened, mut failed) = (Vec::new(), None);
        for target in targets {
            match self.open(&target, buffer) {
                Ok(handle) => opened.push((target, handle)),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        match failed {
            Some(e) if opened.is_empty() || self.options.interfaces != Interfaces::Up => Err(e),
            _ => Ok(opened),
        }
    }

    /// How many threads there are.
    pub(super) fn sources(&self) -> usize {
        self.running.len()
    }

    fn targets(&self) -> Result<Vec<Target>, CaptureError> {
        let links = match &self.options.interfaces {
            Interfaces::Any => return Ok(vec![Target::Any]),
            Interfaces::Up => self.inventory.links().iter().filter(|link| link.is_up).cloned().collect(),
            Interfaces::Named(names) => self.named(names),
        };
        if links.is_empty() {
            return Err(CaptureError::NoInterface);
        }
        Ok(links.into_iter().take(MAX_SOURCES).map(Target::One).collect())
    }

    /// The named interfaces, each once, even if several of its names were given.
    fn named(&self, names: &[String]) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for name in names {
            let known = self.inventory.links().called(name).cloned();
            let link = known.unwrap_or_else(|| Link::unknown(interface_index(name), name));
            match links.iter().find(|other| other.index == link.index && link.index != 0) {
                Some(other) => tracing::info!("interface {name} is the same as {} and is captured once", other.name),
                None => links.push(link),
            }
        }
        links
    }

    /// The kernel buffer of each of `interfaces` interfaces, bytes.
    fn buffer(&self, interfaces: usize) -> u32 {
        let share = MAX_BUFFERS / u32::try_from(interfaces.max(1)).unwrap_or(u32::MAX);
        self.options.buffer_bytes.min(share.max(MIN_BUFFER))
    }

    fn open(&self, target: &Target, buffer: u32) -> Result<Handle, CaptureError> {
        let loopback = self.inventory.links().iter().find(|link| link.is_loopback).map(|link| link.index);
        let handle = open::open(target, loopback, &self.options, buffer)?;
        if handle.index == target.index() {
            return Ok(handle);
        }
        // It was opened by name, and another interface has that name now.
        let (name, message) = (target.name().to_owned(), "another interface has this name now".to_owned());
        Err(CaptureError::Interface { name, message })
    }

    fn spawn(&mut self, target: Target, handle: Handle) -> Result<(), CaptureError> {
        let free = self.running.iter().position(Option::is_none).unwrap_or(self.running.len());
        let is_gone = Arc::new(AtomicBool::new(false));
        let rules = self.options.rules;
        let watch = Watch::new(handle, (free, &is_gone), &self.shared, self.batches.clone(), rules);
        // The kernel cuts thread names at 15 bytes.
        let thread = std::thread::Builder::new().name(format!("packets {}", target.name()));
        let thread = thread.spawn(move || watch.run()).map_err(CaptureError::Thread)?;
        if let Target::One(link) = &target {
            self.opened.insert(link.index, link.clone());
        }
        let running = Some(Running { target, is_gone, thread });
        match self.running.get_mut(free) {
            Some(place) => *place = running,
            None => self.running.push(running),
        }
        Ok(())
    }

    /// Runs until it is stopped.
    pub(super) fn run(mut self) {
        Role::Interfaces.enter_or_warn();
        while !self.shared.is_stopping() {
            self.inventory.wait();
            let events = self.inventory.hear();
            events.iter().for_each(|event| self.note(event));
            if !events.is_empty() {
                self.publish_names();
                self.tell_overlaps();
            }
            self.reap();
            let is_opened = self.open_wanted();
            if is_opened || self.meter.is_due() {
                self.read_counters();
            }
            self.publish_changes();
        }
        // The channel closes when the last of its senders is gone.
        drop(self.batches);
        for running in self.running.into_iter().flatten() {
            if running.thread.join().is_err() {
                tracing::error!("the packet thread of {} panicked", running.target.name());
            }
        }
    }

    /// Logs and counts a change of an interface.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Appeared(link) if self.concerns(link) => {
                self.changes.appeared += 1;
                tracing::info!("interface {} appeared", link.name);
            }
            Event::Disappeared(link) if self.concerns(link) => {
                self.changes.disappeared += 1;
                tracing::info!("interface {} disappeared", link.name);
                self.failing.remove(&link.index);
                self.opened.remove(&link.index);
                self.capturing(link.index).for_each(|running| running.is_gone.store(true, Ordering::Relaxed));
            }
            Event::CameUp(link) => drop(self.failing.remove(&link.index)),
            Event::Renamed { now, before } if self.concerns(now) => {
                self.changes.renamed += 1;
                tracing::info!("interface {before} was renamed to {}; records have the new name from now on", now.name);
            }
            _ => {}
        }
    }

    /// Whether the interface is captured or should be.
    fn concerns(&self, link: &Link) -> bool {
        self.options.interfaces.includes(link) || self.opened.contains_key(&link.index)
    }

    /// The threads that capture the interface with this index.
    fn capturing(&self, index: u32) -> impl Iterator<Item = &Running> {
        let running = self.running.iter().flatten();
        running.filter(move |running| running.target.index() == index && !running.is_gone())
    }

    /// Removes the threads that have ended.
    fn reap(&mut self) {
        for (source, place) in self.running.iter_mut().enumerate() {
            let Some(running) = place.take_if(|running| running.thread.is_finished()) else { continue };
            self.shared.retire(source);
            if running.is_gone() {
                continue;
            }
            let message = match running.thread.join() {
                Ok(Ended::Asked) => continue,
                Ok(Ended::Failed(message)) => message,
                Err(_) => {
                    let thread = format!("packets {}", running.target.name());
                    Threads::of_process().count_restart(&thread, "it panicked");
                    "its thread panicked".to_owned()
                }
            };
            let (name, index) = (Arc::from(running.target.name()), running.target.index());
            if self.inventory.links().get(index).is_some_and(|link| !link.is_up) {
                tracing::info!("interface {name} is down; it is captured again when it is up");
            }
            self.failing.insert(index, Failing { name, next_try: Instant::now(), message, is_logged: false });
        }
    }

    /// Opens interfaces that should be captured and are not. True: at least one was opened.
    fn open_wanted(&mut self) -> bool {
        let mut is_opened = false;
        for target in self.wanted() {
            if self.log_failing(target.index()).is_some_and(|next_try| Instant::now() < next_try) {
                continue;
            }
            let buffer = self.buffer(self.running.len() + 1);
            match self.open(&target, buffer).and_then(|handle| self.spawn(target.clone(), handle)) {
                Ok(()) => {
                    is_opened = true;
                    self.failing.remove(&target.index());
                    tracing::info!("interface {} is captured now", target.name());
                }
                Err(e) => self.fail(&target, e.to_string()),
            }
        }
        is_opened
    }

    /// Reads the kernel's counters of the interfaces that are captured.
    fn read_counters(&mut self) {
        let running = self.running.iter().flatten().filter(|running| !running.is_gone());
        let captured: HashSet<u32> = running.map(|running| running.target.index()).collect();
        // Index 0 is `any`: all of them.
        let is_captured = |index| captured.contains(&0) || captured.contains(&index);
        self.shared.publish_links(self.meter.read(self.inventory.links(), is_captured));
    }

    /// When to try the interface again; none: it is not failing. When the attempt is due, the reason is logged once.
    fn log_failing(&mut self, index: u32) -> Option<Instant> {
        let failing = self.failing.get_mut(&index)?;
        if failing.next_try <= Instant::now() && !std::mem::replace(&mut failing.is_logged, true) {
            tracing::warn!("interface {}: {}; opening it again", failing.name, failing.message);
        }
        Some(failing.next_try)
    }

    /// Interfaces that should be captured, can be, and are not.
    fn wanted(&mut self) -> Vec<Target> {
        if self.options.interfaces == Interfaces::Any {
            let is_captured = self.capturing(0).next().is_some();
            return if is_captured { Vec::new() } else { vec![Target::Any] };
        }
        let is_captured = |index| self.capturing(index).next().is_some();
        // The notice that an interface is gone may not have arrived yet.
        let is_there = |link: &Link| interface_index(&link.name) == link.index;
        let links = self.inventory.links().iter().filter(|link| link.is_up && self.concerns(link));
        let links = links.filter(|link| !is_captured(link.index) && is_there(link));
        let mut wanted: Vec<Target> = links.cloned().map(Target::One).collect();
        let room = MAX_SOURCES.saturating_sub(self.running.iter().flatten().count());
        let left_out = wanted.split_off(room.min(wanted.len()));
        if self.left_out.is_empty() && !left_out.is_empty() {
            tracing::warn!("only {MAX_SOURCES} interfaces are captured; \"-i any\" captures all of them");
        }
        self.left_out = left_out.iter().map(|target| target.name().to_owned()).collect();
        wanted
    }

    /// Logs once why the target cannot be opened.
    fn fail(&mut self, target: &Target, message: String) {
        if self.failing.get(&target.index()).is_none_or(|known| known.message != message) {
            tracing::warn!("{message}; trying again each second");
        }
        let (name, next_try) = (target.name().into(), Instant::now() + RETRY_INTERVAL);
        self.failing.insert(target.index(), Failing { name, next_try, message, is_logged: true });
    }

    fn publish_names(&self) {
        self.shared.set_names(self.inventory.links().names(|link| self.concerns(link)));
    }

    /// Logs which interfaces see the same packets: one line for each interface that overlaps with others.
    fn tell_overlaps(&mut self) {
        let mut shared: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, other) in self.inventory.links().overlapping(|link| self.concerns(link)) {
            shared.entry(other).or_default().push(name);
        }
        for (other, names) in shared {
            if self.overlaps.len() < MAX_OVERLAPS && !self.overlaps.contains(other) {
                let (shown, more) = names.split_at(names.len().min(MAX_OVERLAPPING_NAMES));
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                tracing::info!(
                    "interface {other} sees packets that {}{more} see too; each flow is counted at the interface that sees \
                     it first",
                    shown.join(", ")
                );
                self.overlaps.insert(other.to_owned());
            }
        }
    }

    fn publish_changes(&mut self) {
        let links = self.inventory.links();
        let renamed = |name: &str| self.opened.values().any(|link| link.is_called(name));
        let absent = self.options.interfaces.missing(links).filter(|name| !renamed(name)).map(str::to_owned);
        let name_now = |index| links.get(index).map(|link| link.name.to_string());
        let failing = self.failing.iter().map(|(i, failing)| name_now(*i).unwrap_or_else(|| failing.name.to_string()));
        self.changes.missing = absent.chain(failing).chain(self.left_out.iter().cloned()).collect();
        self.changes.captured = self.running.iter().flatten().filter(|running| !running.is_gone()).count() as u64;
        self.changes.missing.sort_unstable();
        self.changes.missing.dedup();
        self.shared.publish_changes(&self.changes);
    }
}
