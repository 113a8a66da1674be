//! The sources of the live pipeline.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use pidflow_engine::fact::Fact;
use pidflow_schema::Flow;

use crate::capture::{LiveCapture, PacketBatch, SeenUntil};
use crate::probes::{KernelCounts, Probes};
use crate::self_test::Tap;
use crate::translation;
use pidflow_capture::CaptureCounters;

/// Maximum number of batches of facts or flows that wait for the pipeline. A source that sends more is blocked.
const WAITING_BATCHES: usize = 1024;

/// A source of packets. It sends batches from its own threads over a channel to the pipeline.
pub(crate) trait PacketSource {
    /// Its counters up to now.
    fn counters(&self) -> CaptureCounters;
    /// A [`SeenUntil`] for its threads, of which nothing has been read yet.
    fn seen_until(&self) -> SeenUntil;
    /// Whether it has ended without being stopped.
    fn is_finished(&self) -> bool;
    /// Asks it to send its remaining packets and close the channel. Does not wait.
    fn stop(&self);
    /// Waits for its threads and returns the final counters. Call it after [`PacketSource::stop`], once the channel is
    /// empty.
    fn join(self: Box<Self>) -> CaptureCounters;
}

impl PacketSource for LiveCapture {
    fn counters(&self) -> CaptureCounters {
        Self::counters(self)
    }

    fn seen_until(&self) -> SeenUntil {
        Self::seen_until(self)
    }

    fn is_finished(&self) -> bool {
        Self::is_finished(self)
    }

    fn stop(&self) {
        Self::stop(self);
    }

    fn join(self: Box<Self>) -> CaptureCounters {
        Self::join(*self)
    }
}

/// A source of facts. It is drained before packets are counted, so that facts older than a packet are known by then.
/// Dropping it ends it.
pub(crate) trait FactSource {
    /// Appends all available facts, oldest first.
    fn drain(&mut self, out: &mut Vec<Fact>);
    /// Counters of the kernel side; all zero for other sources.
    fn counts(&self) -> KernelCounts;
    /// Asks for [`Fact::NamespaceIds`] of now: an interface leads to a namespace, and whether its id was read since is not known.
    fn ask_for_namespace_ids(&mut self) {}
}

impl FactSource for Probes {
    fn drain(&mut self, out: &mut Vec<Fact>) {
        Self::drain(self, out);
    }

    fn counts(&self) -> KernelCounts {
        Self::counts(self)
    }

    fn ask_for_namespace_ids(&mut self) {
        Self::ask_for_namespace_ids(self);
    }
}

/// Receives what other sources (an API server, another agent) send from their own threads. These get a sender and hold
/// no capabilities.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    receiver: Receiver<Vec<T>>,
}

impl<T> Inbox<T> {
    /// Creates an inbox and the sender for its sources. The channel is bounded: a source that is too fast blocks.
    pub(crate) fn new() -> (Sender<Vec<T>>, Self) {
        let (sender, receiver) = bounded(WAITING_BATCHES);
        (sender, Self { receiver })
    }

    /// Appends everything received.
    pub(super) fn drain(&self, out: &mut Vec<T>) {
        out.extend(self.receiver.try_iter().flatten());
    }
}

/// All sources of the live pipeline.
pub(crate) struct Sources {
    /// Packets.
    pub(crate) packets: Box<dyn PacketSource>,
    /// The channel on which they arrive.
    pub(crate) batches: Receiver<PacketBatch>,
    /// Facts from the kernel.
    pub(crate) kernel: Box<dyn FactSource>,
    /// Passes the kernel's facts to the self-test, which checks that they arrive.
    pub(crate) tap: Tap,
    /// Facts from other sources.
    pub(crate) facts: Inbox<Fact>,
    /// How far the notices of address translations have come, which arrive among these facts.
    pub(crate) translation: Arc<translation::State>,
    /// Flows built by other sources; they are joined like this host's flows.
    pub(crate) flows: Inbox<Flow>,
}

impl Sources {
    /// Packets and kernel facts only.
    pub(crate) fn new(
        packets: Box<dyn PacketSource>,
        batches: Receiver<PacketBatch>,
        kernel: Box<dyn FactSource>,
    ) -> Self {
        let (tap, translation) = (Tap::default(), Arc::default());
        Self { packets, batches, kernel, tap, facts: Inbox::new().1, translation, flows: Inbox::new().1 }
    }

    /// Drains all available facts. They include all facts older than the packets that were received before this call.
    pub(super) fn take_facts(&mut self, out: &mut Vec<Fact>) {
        self.tap.pass(out, &mut *self.kernel, |k, out| k.drain(out), |k| k.counts().lost_events());
        self.facts.drain(out);
    }
}
