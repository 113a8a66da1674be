//! Receives from exporters (IPFIX, NetFlow and sFlow over UDP, IPFIX over TCP) and makes records of it, in a thread for each
//! address.

mod check;
mod decoding;
mod figures;
mod gluing;
mod port;
mod receive;
mod streams;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use crossbeam_channel::{Receiver, bounded};
use pidflow_collector::Settings;
use pidflow_schema::FlowRecord;

pub(crate) use check::check;
pub(crate) use figures::CollectFigures;
pub(crate) use gluing::{GlueFigures, Gluing};

use decoding::{Decoding, Outcomes};
use figures::Shared;
use port::Port;
use receive::Receiving;
use streams::{ReceivingStreams, Streams};

use crate::config::values::Listen;
use crate::privileges::Role;
use crate::threads;

/// Maximum number of batches of records that wait for the pipeline; beyond it, datagrams wait in the kernel.
const WAITING_BATCHES: usize = 64;

/// The ports of exporters, open and not read yet.
pub(crate) struct Ports {
    datagrams: Vec<Port>,
    streams: Vec<Streams>,
}

impl Ports {
    /// Opens them, for datagrams and for connections; those below 1024 need a privilege.
    ///
    /// # Errors
    /// An address is not this host's, or is in use.
    pub(crate) fn open(datagrams: &[Listen], streams: &[Listen]) -> Result<Self> {
        let open = || {
            let datagrams = addresses(datagrams)?.into_iter().map(Port::open).collect::<Result<Vec<_>>>()?;
            let streams = addresses(streams)?.into_iter().map(Streams::open).collect::<Result<Vec<_>>>()?;
            Ok::<_, anyhow::Error>(Self { datagrams, streams })
        };
        let all = open()?;
        ensure!(
            all.count() > 0,
            "no address to receive from exporters; give one, such as --netflow 0.0.0.0:2055 or --sflow 0.0.0.0:6343"
        );
        Ok(all)
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.datagrams.len() + self.streams.len()
    }

    /// The addresses, joined.
    pub(crate) fn describe(&self) -> String {
        let all = self.datagrams.iter().map(Port::name).chain(self.streams.iter().map(Streams::name));
        all.collect::<Vec<_>>().join(", ")
    }

    /// Starts a thread for each port.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(self, settings: Settings) -> Result<Source> {
        let (sender, records) = bounded(WAITING_BATCHES);
        let stop = Arc::new(AtomicBool::new(false));
        let outcomes = Outcomes { sender, stop: Arc::clone(&stop) };
        let mut shared = Vec::new();
        let mut decoding = || {
            let figures = Arc::new(Shared::default());
            shared.push(Arc::clone(&figures));
            Decoding::new(settings, figures, outcomes.clone())
        };
        for port in self.datagrams {
            let (name, mut receiving) = (format!("collect {}", port.number()), Receiving::new(port, decoding()));
            threads::spawn_as(Role::Collector, &name, move || receiving.run())?;
        }
        for port in self.streams {
            let (name, mut receiving) = (format!("collect {}", port.number()), ReceivingStreams::new(port, decoding()));
            threads::spawn_as(Role::Collector, &name, move || receiving.run())?;
        }
        Ok(Source { records, shared, stop })
    }
}

fn addresses(listen: &[Listen]) -> Result<Vec<SocketAddr>> {
    let mut all = Vec::new();
    for one in listen {
        if let Listen::At(address) = one {
            let found = address.to_socket_addrs();
            all.extend(found.with_context(|| format!("cannot receive from exporters at {address}: unknown address"))?);
        }
    }
    Ok(all)
}

/// The records of all ports, and their figures.
pub(crate) struct Source {
    records: Receiver<Vec<FlowRecord>>,
    shared: Vec<Arc<Shared>>,
    stop: Arc<AtomicBool>,
}

impl Source {
    /// The channel on which records arrive. It is closed when all threads have ended.
    pub(crate) const fn records(&self) -> &Receiver<Vec<FlowRecord>> {
        &self.records
    }

    /// Counters up to now.
    pub(crate) fn figures(&self) -> CollectFigures {
        self.shared.iter().fold(CollectFigures::default(), |sum, shared| sum.with(&shared.now()))
    }

    /// Asks the threads to read what has arrived and end. Does not wait.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
