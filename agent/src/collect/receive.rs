//! The work of the thread of one UDP port.

use std::time::Duration;

use pidflow_exporters::threads::Outcome;
use rustix::io::Errno;

use super::decoding::Decoding;
use super::port::Port;

/// The largest datagram.
const MAX_DATAGRAM: usize = 65_536;
/// How long the thread waits for a datagram before it looks whether it shall end.
const WAIT: Duration = Duration::from_millis(100);

/// Receives the datagrams of one port.
pub(super) struct Receiving {
    port: Port,
    decoding: Decoding,
    buffer: Box<[u8]>,
}

impl Receiving {
    pub(super) fn new(port: Port, decoding: Decoding) -> Self {
        Self { port, decoding, buffer: vec![0; MAX_DATAGRAM].into() }
    }

    /// Receives until it is asked to stop.
    pub(super) fn run(&mut self) -> Outcome {
        loop {
            let Some((length, sender)) = self.port.receive(&mut self.buffer).map_err(failed)? else {
                if self.decoding.is_asked_to_end() {
                    break;
                }
                self.decoding.pass_on();
                self.decoding.look(self.drops());
                self.port.wait(WAIT).map_err(failed)?;
                continue;
            };
            if self.decoding.message(self.buffer.get(..length).unwrap_or_default(), sender) {
                self.decoding.look(self.drops());
                if self.decoding.is_over() {
                    break;
                }
            }
        }
        self.decoding.end(self.drops());
        Ok(())
    }

    fn drops(&self) -> u64 {
        self.port.drops().unwrap_or_default()
    }
}

fn failed(e: Errno) -> String {
    format!("cannot receive from exporters: {e}")
}
