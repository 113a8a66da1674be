//! Where the live pipeline takes from.

use crossbeam_channel::{Receiver, Sender, bounded};
use pidflow_engine::fact::Fact;
use pidflow_schema::Flow;

use crate::capture::{CaptureCounters, LiveCapture, PacketBatch, SeenUntil};
use crate::probes::{KernelCounts, Probes};
use crate::self_test::Tap;

/// Batches of facts or flows that may wait for the pipeline; a source that sends more waits for room.
const WAITING_BATCHES: usize = 1024;

/// A source of packets: it sends batches over a channel that the pipeline has, from threads of its own.
pub(crate) trait PacketSource {
    /// What it saw so far.
    fn counters(&self) -> CaptureCounters;
    /// Up to which time its threads have been read: nothing yet.
    fn seen_until(&self) -> SeenUntil;
    /// Whether nothing more will come although it was not stopped.
    fn is_finished(&self) -> bool;
    /// Asks it to send what it has and to close the channel. Does not wait.
    fn stop(&self);
    /// Waits for its threads after [`PacketSource::stop`], when the channel was emptied, and gives the last counters.
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

/// A source of facts that is asked for them before packets are counted, so that what the kernel said before a packet is
/// known then. It ends when it is dropped.
pub(crate) trait FactSource {
    /// Takes every fact there is, oldest first.
    fn drain(&mut self, out: &mut Vec<Fact>);
    /// What the kernel's side counted; nothing where the source is another one.
    fn counts(&self) -> KernelCounts;
}

impl FactSource for Probes {
    fn drain(&mut self, out: &mut Vec<Fact>) {
        Self::drain(self, out);
    }

    fn counts(&self) -> KernelCounts {
        Self::counts(self)
    }
}

/// What other sources (an API server, another agent) send from threads of their own, which are handed a sender and hold
/// no capabilities.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    receiver: Receiver<Vec<T>>,
}

impl<T> Inbox<T> {
    /// The inbox, and the sender for its sources. The channel is bounded: a source that is too fast waits.
    pub(crate) fn new() -> (Sender<Vec<T>>, Self) {
        let (sender, receiver) = bounded(WAITING_BATCHES);
        (sender, Self { receiver })
    }

    /// Takes everything there is.
    pub(super) fn drain(&self, out: &mut Vec<T>) {
        out.extend(self.receiver.try_iter().flatten());
    }
}

/// Everything that the live pipeline takes from.
pub(crate) struct Sources {
    /// Packets.
    pub(crate) packets: Box<dyn PacketSource>,
    /// Their channel.
    pub(crate) batches: Receiver<PacketBatch>,
    /// Facts of the kernel.
    pub(crate) kernel: Box<dyn FactSource>,
    /// Who tests whether those facts come.
    pub(crate) tap: Tap,
    /// Facts of others.
    pub(crate) facts: Inbox<Fact>,
    /// Flows that others built: they are joined like this host's own.
    pub(crate) flows: Inbox<Flow>,
}

impl Sources {
    /// Packets over a channel and facts of the kernel, nothing else.
    pub(crate) fn new(
        packets: Box<dyn PacketSource>,
        batches: Receiver<PacketBatch>,
        kernel: Box<dyn FactSource>,
    ) -> Self {
        Self { packets, batches, kernel, tap: Tap::default(), facts: Inbox::new().1, flows: Inbox::new().1 }
    }

    /// The facts of the kernel are also for this one.
    pub(crate) fn with_tap(self, tap: Tap) -> Self {
        Self { tap, ..self }
    }

    /// Takes every fact there is: those older than the packets at hand are among them.
    pub(super) fn take_facts(&mut self, out: &mut Vec<Fact>) {
        self.tap.pass(out, &mut *self.kernel, |k, out| k.drain(out), |k| k.counts().lost_events());
        self.facts.drain(out);
    }
}
