//! The octets of a connection, with or without TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

/// A connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<Session>),
}

/// A session of TLS.
pub(super) struct Session {
    stream: TcpStream,
    tls: ServerConnection,
}

impl Wire {
    /// `tls` is none without TLS.
    pub(super) fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Result<Self, rustls::Error> {
        Ok(match tls {
            Some(config) => Self::Tls(Box::new(Session { stream, tls: ServerConnection::new(config)? })),
            None => Self::Plain(stream),
        })
    }

    pub(super) const fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(session) => &session.stream,
        }
    }

    /// Whether the peer has not identified itself yet.
    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Self::Tls(session) if session.tls.is_handshaking())
    }

    /// Reads what has arrived; 0: the connection has ended.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(session) => session.read(buffer),
        }
    }

    /// Sends what can be sent now, and removes it.
    pub(super) fn send(&mut self, octets: &mut Vec<u8>) -> io::Result<()> {
        while !octets.is_empty() {
            let written = match self {
                Self::Plain(stream) => stream.write(octets),
                Self::Tls(session) => session.tls.writer().write(octets),
            };
            match written {
                Ok(length) => drop(octets.drain(..length)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(session) => session.flush(),
        }
    }
}

impl Session {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let processed = self.tls.process_new_packets();
            // An alert too: it says why.
            self.flush()?;
            processed.map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
