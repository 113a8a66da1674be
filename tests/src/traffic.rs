//! Traffic that makes records while a test watches.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A Python program that connects to itself and sends until it is ended.
pub const TALK: &str = "import socket, time
listener = socket.create_server(('127.0.0.1', 0))
while True:
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.sendall(b'x'); server.recv(1); client.close(); server.close()
    time.sleep(0.2)";

/// Sends datagrams over loopback, each from a new port, until it is dropped. It sends in the network namespace of the thread
/// that started it.
#[derive(Debug)]
pub struct Traffic(Arc<AtomicBool>, Option<JoinHandle<std::io::Result<()>>>);

impl Traffic {
    /// Sends `datagrams` of them, and again after every `pause`.
    #[must_use]
    pub fn start(datagrams: usize, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let send = move || {
            let sink = UdpSocket::bind("127.0.0.1:0")?;
            while !stopped.load(Relaxed) {
                for _ in 0..datagrams {
                    let _ = UdpSocket::bind("127.0.0.1:0")?.send_to(b"some bytes", sink.local_addr()?);
                }
                thread::sleep(pause);
            }
            Ok(())
        };
        Self(stop, Some(thread::spawn(send)))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
        let _ = self.1.take().map(JoinHandle::join);
    }
}
