//! The thread that writes the history.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use pidflow_history::{Committed, HistoryError, Retention, Writer};
use pidflow_schema::{FlowRecord, kept_bytes};

use super::questions::Questions;
use super::{HistoryCounts, Settings};
use crate::clock::wall_ns;
use crate::privileges::{Role, in_role};
use crate::threads;
use pidflow_exporters::threads::Outcome;

/// Maximum number of records that wait to be written.
const MAX_QUEUED_RECORDS: u64 = 65_536;
/// Maximum memory of those records, bytes.
const MAX_QUEUED_BYTES: u64 = 32 << 20;
/// How long records wait for others, to be made safe together. A kill of the agent costs at most these.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);
/// How many records are made safe together, at most.
const MAX_UNCOMMITTED: usize = 20_000;
/// How long the end of the agent waits for the records in the queue.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Records that wait, with their memory.
type Batch = (Arc<[FlowRecord]>, u64);

/// What both sides of the queue know.
#[derive(Debug, Default)]
struct Shared {
    queued_records: AtomicU64,
    queued_bytes: AtomicU64,
    written: AtomicU64,
    queue_full: AtomicU64,
    write_failed: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// The history of this agent. When it is dropped, what waits is written.
#[derive(Debug)]
pub(crate) struct History {
    name: String,
    queue: Option<Sender<Batch>>,
    shared: Arc<Shared>,
    questions: Questions,
    ended: Receiver<()>,
}

impl History {
    /// Starts both threads.
    ///
    /// # Errors
    /// The folder cannot be created or written.
    pub(crate) fn start(settings: &Settings) -> Result<Self> {
        let retention = Retention { max_age: settings.max_age, max_bytes: settings.max_bytes };
        let folder = settings.folder.clone();
        // With the rights that the threads will have, so that it fails now and not later.
        in_role(Role::History, std::slice::from_ref(&folder), || Writer::new(&folder, retention))?
            .context("--history; name a folder that this user can write")?;
        let (queue, batches) = unbounded();
        let (ending, ended) = bounded(0);
        let shared = Arc::<Shared>::default();
        let mut work =
            Work { folder: folder.clone(), retention, batches, shared: shared.clone(), ending: Some(ending) };
        threads::spawn_for(Role::History, "history", folder.clone(), move || work.run())?;
        let questions = Questions::start(&folder)?;
        let name = format!("history:{}", folder.display());
        Ok(Self { name, queue: Some(queue), shared, questions, ended })
    }

    /// Adds records, if there is room for them.
    pub(crate) fn offer(&self, records: &Arc<[FlowRecord]>) {
        if records.is_empty() {
            return;
        }
        let (count, bytes) = (records.len() as u64, kept_bytes(records) as u64);
        let shared = &self.shared;
        let is_full = shared.queued_records.load(Relaxed) + count > MAX_QUEUED_RECORDS
            || shared.queued_bytes.load(Relaxed) + bytes > MAX_QUEUED_BYTES;
        if is_full {
            shared.queue_full.fetch_add(count, Relaxed);
            return;
        }
        shared.queued_records.fetch_add(count, Relaxed);
        shared.queued_bytes.fetch_add(bytes, Relaxed);
        if let Some(queue) = &self.queue {
            // The receiver exists as long as its thread, which ends after this side.
            let _ = queue.send((records.clone(), bytes));
        }
    }

    /// Where questions are answered.
    pub(crate) fn questions(&self) -> Questions {
        self.questions.clone()
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> HistoryCounts {
        let shared = &self.shared;
        HistoryCounts {
            name: self.name.clone(),
            written: shared.written.load(Relaxed),
            waiting: shared.queued_records.load(Relaxed),
            queue_full: shared.queue_full.load(Relaxed),
            write_failed: shared.write_failed.load(Relaxed),
        }
    }

    /// Why records are not written now; none: they are.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.queue = None;
        if self.ended.recv_timeout(DRAIN_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("history: the disk is too slow; the last records are not in it");
        }
    }
}

/// What the thread works with.
struct Work {
    folder: PathBuf,
    retention: Retention,
    batches: Receiver<Batch>,
    shared: Arc<Shared>,
    /// Closed when the thread ends.
    ending: Option<Sender<()>>,
}

impl Work {
    /// Writes until the other side of the queue is gone.
    fn run(&mut self) -> Outcome {
        let mut writer = Writer::new(&self.folder, self.retention).map_err(|e| e.to_string())?;
        let mut is_over = false;
        while !is_over {
            is_over = self.fill(&mut writer);
            let committed = writer.commit(wall_ns());
            self.report(&committed);
        }
        drop(writer);
        self.ending = None;
        Ok(())
    }

    /// Adds the records of one commit; true: there will be no more.
    fn fill(&self, writer: &mut Writer) -> bool {
        let Ok(first) = self.batches.recv() else { return true };
        let due = Instant::now() + COMMIT_INTERVAL;
        let mut count = self.add(writer, &first);
        while count < MAX_UNCOMMITTED {
            match self.batches.recv_deadline(due) {
                Ok(batch) => count += self.add(writer, &batch),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        false
    }

    fn add(&self, writer: &mut Writer, (records, bytes): &Batch) -> usize {
        writer.add(records, wall_ns());
        self.shared.queued_records.fetch_sub(records.len() as u64, Relaxed);
        self.shared.queued_bytes.fetch_sub(*bytes, Relaxed);
        records.len()
    }

    /// Counts, and logs when the trouble begins, changes or ends.
    fn report(&self, committed: &Committed) {
        self.shared.written.fetch_add(committed.records, Relaxed);
        self.shared.write_failed.fetch_add(committed.lost, Relaxed);
        if let Some(aside) = &committed.set_aside {
            tracing::error!("history: a damaged file was renamed to {}, and another one is begun", aside.display());
        }
        let trouble = committed.error.as_ref().map(described);
        let mut known = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &trouble {
            Some(trouble) if known.as_ref() != Some(trouble) => tracing::error!("{trouble}"),
            None if known.is_some() => tracing::info!("history: records are written again"),
            _ => {}
        }
        *known = trouble;
    }
}

fn described(error: &HistoryError) -> String {
    if error.is_full() {
        return format!("{error}: the newest records are lost until there is room; make room, or lower --history-size");
    }
    format!("{error}: records are lost")
}
