//! Receives from exporters (IPFIX, NetFlow and sFlow over UDP, IPFIX over TCP and TLS, ZeroMQ) and makes records of it, in a thread
//! for each address.

mod check;
mod connection;
mod decoding;
mod entrance;
mod figures;
mod gluing;
mod hops;
mod keeper;
mod port;
mod receive;
mod streams;
mod tls;
mod wire;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use crossbeam_channel::{Receiver, bounded};
use pidflow_collector::Settings;
use pidflow_schema::FlowRecord;

pub(crate) use check::check;
pub(crate) use figures::CollectFigures;
pub(crate) use gluing::{GlueFigures, Gluing};

use connection::Kind;
use decoding::{Decoding, Outcomes};
use entrance::Entrance;
use figures::Shared;
use hops::Hops;
use keeper::Keeper;
use port::Port;
use receive::Receiving;
use rustls::ServerConfig;
use streams::{ReceivingStreams, Streams};

use crate::certificates::Watched;
use crate::config::CollectOptions;
use crate::config::collect::ZmqFrom;
use crate::config::values::Listen;
use crate::privileges::Role;
use crate::threads;

/// Maximum number of batches of records that wait for the pipeline; beyond it, datagrams wait in the kernel.
const WAITING_BATCHES: usize = 64;

/// The ports of exporters, open and not read yet.
pub(crate) struct Ports {
    datagrams: Vec<Port>,
    streams: Vec<Streams>,
    certificates: Option<Watched<ServerConfig>>,
    /// Where what is known of exporters over UDP is kept.
    state: Option<PathBuf>,
}

/// Reads certificates again that have changed.
pub(crate) type Reload = Box<dyn Fn() + Send>;

impl Ports {
    /// Opens them; those below 1024 need a privilege.
    ///
    /// # Errors
    /// An address is not this host's, or is in use; a certificate cannot be used.
    pub(crate) fn open(options: &CollectOptions) -> Result<Self> {
        let certificates = tls::read(options)?;
        let current = certificates.as_ref().map(Watched::current);
        let mut streams = Vec::new();
        for (list, tls) in [(options.streams(), None), (options.ipfix_tls.clone(), current)] {
            for address in addresses(&list)? {
                let tls = tls.clone();
                streams.push(Streams { entrance: Entrance::listen(address)?, kind: Kind::Messages, tls });
            }
        }
        for entrance in options.zmq_from.iter().map(publisher) {
            streams.push(Streams { entrance: entrance?, kind: Kind::Zmq, tls: None });
        }
        let datagrams = addresses(&options.datagrams())?.into_iter().map(Port::open).collect::<Result<Vec<_>>>()?;
        let state = options.state.as_deref().map(Path::to_owned);
        state.as_deref().map(keeper::make).transpose()?;
        let all = Self { datagrams, streams, certificates, state };
        ensure!(
            all.count() > 0,
            "no address to receive from exporters; give one, such as --netflow 0.0.0.0:2055 or --sflow 0.0.0.0:6343"
        );
        if all.certificates.is_some() && options.tls_client_ca.is_none() {
            tracing::warn!(
                "any client may send records over TLS; --collect-tls-client-ca FILE lets in those with a certificate only"
            );
        }
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

    /// Starts a thread for each port. `observer` identifies this host. The second result reads changed certificates again.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(self, settings: Settings, observer: &str) -> Result<(Source, Option<Reload>)> {
        let (sender, records) = bounded(WAITING_BATCHES);
        let stop = Arc::new(AtomicBool::new(false));
        let outcomes = Outcomes { sender, stop: Arc::clone(&stop) };
        let mut shared = Vec::new();
        let hops = Hops::new(observer, &self.describe());
        let mut decoding = || {
            let figures = Arc::new(Shared::default());
            shared.push(Arc::clone(&figures));
            Decoding::new(settings, figures, outcomes.clone(), hops.clone())
        };
        for port in self.datagrams {
            let (name, mut decoding) = (format!("collect {}", port.number()), decoding());
            let keeper = self.state.as_ref().map(|folder| Keeper::new(folder, &port.name()));
            if let Some(keeper) = keeper {
                decoding = decoding.kept_by(keeper);
            }
            let mut receiving = Receiving::new(port, decoding);
            match &self.state {
                Some(folder) => {
                    threads::spawn_for(Role::Keeper, &name, folder.clone(), move || receiving.run())?;
                }
                None => drop(threads::spawn_as(Role::Collector, &name, move || receiving.run())?),
            }
        }
        for port in self.streams {
            let role = if port.entrance.is_dialer() { Role::Subscriber } else { Role::Collector };
            let (name, mut receiving) = (format!("collect {}", port.number()), ReceivingStreams::new(port, decoding()));
            threads::spawn_as(role, &name, move || receiving.run())?;
        }
        let reload = self.certificates.map(Watched::reloading).transpose()?;
        Ok((Source { records, shared, stop }, reload))
    }
}

/// Where a publisher's connections come from.
fn publisher(from: &ZmqFrom) -> Result<Entrance> {
    if from.listens {
        let address = addresses(std::slice::from_ref(&from.address))?.into_iter().next();
        Entrance::listen(address.with_context(|| format!("cannot receive from exporters at {from}: unknown address"))?)
    } else {
        Ok(Entrance::dial(&from.address.to_string()))
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
