//! Tries the addresses of a configuration file, for `pidflow check`.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Result, bail};

use super::entrance::Entrance;
use super::port::Port;
use super::{addresses, keeper, tls};
use crate::config::CollectOptions;
use crate::config::values::Listen;

/// An address that `pidflow collect` could not receive at.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// The key of the list that it is in.
    pub(crate) key: &'static str,
    /// The address, as in the file.
    pub(crate) address: String,
    /// What is wrong, and what to do.
    pub(crate) error: anyhow::Error,
}

/// Opens the addresses and closes them again. One that another program uses now is fine, because that may be the running agent.
///
/// # Errors
/// The first address that is unknown, that is not this host's, that needs a privilege, or that is in the file twice.
pub(crate) fn check(options: &CollectOptions) -> Result<(), Unusable> {
    let CollectOptions { netflow, sflow, ipfix_tcp, json_tcp, ipfix_tls, zmq_from, .. } = options;
    let wrong_tls = |error| Unusable { key: "ipfix-tls", address: String::new(), error };
    tls::read(options).map_err(wrong_tls)?;
    let wrong_state = |error| Unusable { key: "state", address: String::new(), error };
    options.state.as_deref().map_or(Ok(()), keeper::check).map_err(wrong_state)?;
    let publishers: Vec<_> = zmq_from.iter().filter(|from| from.listens).map(|from| from.address.clone()).collect();
    let mut open = Vec::new();
    for (key, list) in [("netflow", netflow), ("sflow", sflow)] {
        each(key, list, |address| add(&mut open, address, Port::open))?;
    }
    let mut open = Vec::new();
    let streams =
        [("ipfix-tcp", ipfix_tcp), ("json-tcp", json_tcp), ("ipfix-tls", ipfix_tls), ("zmq-from", &publishers)];
    for (key, list) in streams {
        each(key, list, |address| add(&mut open, address, Entrance::listen))?;
    }
    Ok(())
}

fn each(key: &'static str, list: &[Listen], mut add: impl FnMut(SocketAddr) -> Result<()>) -> Result<(), Unusable> {
    list.iter().try_for_each(|listen| {
        let tried = addresses(std::slice::from_ref(listen)).and_then(|all| all.into_iter().try_for_each(&mut add));
        tried.map_err(|error| Unusable { key, address: listen.to_string(), error })
    })
}

/// Keeps the port open, so that the same address fails the next time.
fn add<T>(
    open: &mut Vec<(SocketAddr, T)>,
    address: SocketAddr,
    try_open: impl Fn(SocketAddr) -> Result<T>,
) -> Result<()> {
    let is_in_use =
        |e: &anyhow::Error| e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::AddrInUse);
    match try_open(address) {
        Ok(port) => open.push((address, port)),
        Err(e) if is_in_use(&e) => {
            if let Some((first, _)) = open.iter().find(|(first, _)| overlap(*first, address)) {
                bail!("cannot receive from exporters at {address}: {first} is also in the file; remove one of them");
            }
        }
        Err(e) => return Err(e),
    }
    Ok(())
}

/// Whether one socket would receive what is sent to the other.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let is_same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && is_same_host
}
