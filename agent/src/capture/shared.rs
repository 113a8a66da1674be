//! State shared by all threads of a live capture.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::accounts::Accounts;
use super::links::Names;
use super::meter::LinkTotals;
use crate::shedding::Shedding;
use pidflow_capture::InterfaceChanges;
use pidflow_capture::{CaptureCounters, SocketCounts};

#[derive(Debug, Default)]
pub(super) struct Shared {
    stop: AtomicBool,
    next_interface: AtomicU32,
    counters: Mutex<Counters>,
    accounts: Mutex<Accounts>,
    names: Mutex<Names>,
    /// Increases whenever the names change.
    names_version: AtomicU64,
    /// Which packets are counted, and whether payloads are read.
    shedding: Arc<Shedding>,
}

#[derive(Debug, Default)]
struct Counters {
    /// One per thread, at its number.
    running: Vec<CaptureCounters>,
    /// Sums of threads that have ended.
    ended: CaptureCounters,
}

impl Shared {
    /// Empty; `is_filtered` says whether the sockets have a filter.
    pub(super) fn new(is_filtered: bool) -> Self {
        Self { accounts: Accounts::new(is_filtered).into(), ..Self::default() }
    }

    /// With this for what is left out.
    pub(super) fn with_shedding(self, shedding: Arc<Shedding>) -> Self {
        Self { shedding, ..self }
    }

    /// What is left out.
    pub(super) fn shedding(&self) -> &Shedding {
        &self.shedding
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn interface_number(&self) -> u32 {
        self.next_interface.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes over the counters of one thread.
    pub(super) fn publish(&self, thread: usize, counters: &CaptureCounters) {
        let mut all = lock(&self.counters);
        if all.running.len() <= thread {
            all.running.resize_with(thread + 1, CaptureCounters::default);
        }
        if let Some(mine) = all.running.get_mut(thread) {
            mine.clone_from(counters);
        }
    }

    /// Takes over the interface index, the socket's counters and the number of frames read of one thread.
    pub(super) fn publish_socket(&self, thread: usize, (index, socket, read): (u32, SocketCounts, u64)) {
        lock(&self.accounts).publish(thread, index, socket, read);
    }

    /// Takes over the kernel's counters.
    pub(super) fn publish_links(&self, links: &LinkTotals) {
        lock(&self.accounts).links.clone_from(links);
    }

    /// The thread has ended, and another one may get its number.
    pub(super) fn retire(&self, thread: usize) {
        lock(&self.accounts).retire(thread);
        let mut all = lock(&self.counters);
        if let Some(counters) = all.running.get_mut(thread).map(std::mem::take) {
            all.ended.add(&counters);
        }
    }

    /// Takes over changes of interfaces.
    pub(super) fn publish_changes(&self, changes: &InterfaceChanges) {
        lock(&self.counters).ended.interfaces.clone_from(changes);
    }

    /// The counters of all threads together.
    pub(super) fn counters(&self) -> CaptureCounters {
        let by_interface = lock(&self.accounts).by_interface();
        let all = lock(&self.counters);
        let mut sum = CaptureCounters { by_interface, ..all.ended.clone() };
        all.running.iter().for_each(|counters| sum.add(counters));
        sum
    }

    pub(super) fn set_names(&self, names: Names) {
        *lock(&self.names) = names;
        self.names_version.fetch_add(1, Ordering::Release);
    }

    pub(super) fn names_version(&self) -> u64 {
        self.names_version.load(Ordering::Acquire)
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.names)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
