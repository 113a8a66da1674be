//! Serves a [`World`] over HTTP/1.1, plain or with TLS.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::world::{Answer, Follow, World, gone};

/// How the current watches end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As after their time.
    Regular,
    /// Within a line.
    Cut,
    /// With the message that their version is gone.
    Gone,
}

#[derive(Debug, Default)]
struct State {
    world: World,
    /// How all watches up to now end, and their number.
    ends: Vec<End>,
    open_watches: usize,
}

/// A running server.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub(crate) url: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Fake {
    pub(crate) fn start(token: &str) -> Self {
        Self::serve(token, None)
    }

    /// With TLS and this certificate.
    pub(crate) fn with_tls(token: &str, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Self::serve(token, Some(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())))
    }

    fn serve(token: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let fake = Self { url, shared: Arc::default() };
        fake.world(|world| token.clone_into(&mut world.token));
        let serving = fake.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serving, tls) = (serving.clone(), tls.clone());
                thread::spawn(move || serving.connection(stream, tls));
            }
        });
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes what the server knows.
    pub(crate) fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let done = change(&mut self.state().world);
        self.shared.1.notify_all();
        done
    }

    /// Ends all watches.
    pub(crate) fn end_watches(&self, how: End) {
        self.state().ends.push(how);
        self.shared.1.notify_all();
    }

    /// Nobody is answered any more, and all watches are cut.
    pub(crate) fn go_down(&self) {
        self.world(|world| world.is_down = true);
        self.end_watches(End::Cut);
    }

    pub(crate) fn come_up(&self) {
        self.world(|world| world.is_down = false);
    }

    pub(crate) fn open_watches(&self) -> usize {
        self.state().open_watches
    }

    fn connection(&self, tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> Option<()> {
        if self.state().world.is_down {
            return tcp.shutdown(Shutdown::Both).ok();
        }
        let mut stream: Box<dyn Stream> = match tls {
            None => Box::new(tcp),
            Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).ok()?, tcp)),
        };
        let mut lines = BufReader::new(&mut stream).lines();
        let line = lines.next()?.ok()?;
        let headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
        let headers: HashMap<_, _> =
            headers.filter_map(|h| h.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()))).collect();
        let answer = self.state().world.answer(&line, &headers);
        match answer {
            Answer::Whole(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
                write!(stream, "{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).ok()?;
                stream.flush().ok()
            }
            Answer::Watch(follow) => {
                self.state().open_watches += 1;
                let sent = self.watch(&mut *stream, follow);
                self.state().open_watches -= 1;
                sent
            }
        }
    }

    fn watch(&self, stream: &mut dyn Stream, mut follow: Follow) -> Option<()> {
        stream
            .write_all(b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
            .ok()?;
        let (mut sent, before) = (0, self.state().ends.len());
        loop {
            let mut state = self.state();
            let lines = state.world.news(&mut follow, &mut sent);
            let end = state.ends.get(before).copied();
            if lines.is_empty() && end.is_none() {
                state = self.shared.1.wait_timeout(state, Duration::from_secs(1)).unwrap().0;
            }
            drop(state);
            lines.iter().try_for_each(|line| chunk(stream, line)).ok()?;
            stream.flush().ok()?;
            match end {
                None => {}
                Some(End::Regular) => return stream.write_all(b"0\r\n\r\n").and_then(|()| stream.flush()).ok(),
                Some(End::Gone) => return chunk(stream, &gone()).and_then(|()| stream.write_all(b"0\r\n\r\n")).ok(),
                Some(End::Cut) => {
                    return write!(stream, "400\r\n{{\"type\":\"ADDED\",\"obj").and_then(|()| stream.flush()).ok();
                }
            }
        }
    }
}

fn chunk(stream: &mut dyn Stream, line: &str) -> std::io::Result<()> {
    write!(stream, "{:x}\r\n{line}\n\r\n", line.len() + 1)
}
