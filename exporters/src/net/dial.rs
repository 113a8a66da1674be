//! A TCP connection to a name or address.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::config::Address;

use super::resolver::resolve_within;

/// Connects to the first of the name's addresses that answers. `limit` covers looking up the name and trying all of its
/// addresses; each address gets a share of the remaining time.
pub(crate) fn dial(target: &Address, limit: Duration) -> io::Result<TcpStream> {
    let end = Instant::now() + limit;
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    let addresses = resolve_within(target, limit)?;
    for (address, to_come) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let part = end.saturating_duration_since(Instant::now()).div_f64(to_come as f64);
        // A timeout of zero would be refused, because it means no limit.
        match TcpStream::connect_timeout(address, part.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}
