//! Looks up names with a time limit. The system call cannot be interrupted, and takes half a minute or more when name
//! servers do not answer. So it is made on a separate thread, one at a time for each name.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::Address;

/// The addresses of a name, or why there are none.
pub(super) type Answer = Result<Vec<SocketAddr>, (ErrorKind, String)>;
/// A function that looks up a name; tests use their own.
pub(super) type Resolve = fn(&Address) -> io::Result<Vec<SocketAddr>>;

/// Host and port, and the threads that wait for their addresses.
type Waiting = BTreeMap<(String, u16), Vec<Sender<Answer>>>;

/// Pending look-ups.
static PENDING_LOOKUPS: Mutex<Waiting> = Mutex::new(BTreeMap::new());

fn under_way() -> MutexGuard<'static, Waiting> {
    PENDING_LOOKUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses of a host, with the port, in the resolver's order. Takes as long as the system does.
pub(super) fn addresses(of: &Address) -> io::Result<Vec<SocketAddr>> {
    Ok((of.host.as_str(), of.port).to_socket_addrs()?.collect())
}

/// Like [`addresses`], within `limit`. An address needs no look-up.
///
/// # Errors
/// The name is not known, or the limit has passed. The look-up then continues, for the next caller.
pub(super) fn resolve_within(of: &Address, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    match of.host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, of.port)]),
        Err(_) => wait(of, addresses, limit),
    }
}

fn wait(of: &Address, resolve: Resolve, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    match ask(of, resolve)?.recv_timeout(limit) {
        Ok(answer) => answer.map_err(|(kind, message)| io::Error::new(kind, message)),
        Err(RecvTimeoutError::Timeout) => Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("the name {} was not resolved within {:.1} s; check the name server", of.host, limit.as_secs_f64()),
        )),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other(format!("looking up {} failed", of.host))),
    }
}

/// Starts a look-up of the name. All callers that ask during a look-up share its answer.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn ask(of: &Address, resolve: Resolve) -> io::Result<Receiver<Answer>> {
    let (answer, answered) = channel();
    let key = (of.host.clone(), of.port);
    let mut all = under_way();
    let waiting = all.entry(key.clone()).or_default();
    waiting.push(answer);
    if waiting.len() > 1 {
        return Ok(answered);
    }
    drop(all);
    let (of, pending) = (of.clone(), Pending { key, answer: None });
    let work = move || pending.end(resolve, &of);
    thread::Builder::new().name("export-lookup".into()).spawn(work)?;
    Ok(answered)
}

/// A pending look-up. When it is dropped, waiting threads get the answer, or an error if there is none.
struct Pending {
    key: (String, u16),
    answer: Option<Answer>,
}

impl Pending {
    /// The look-up owns it, so that it is dropped after a panic too.
    fn end(mut self, resolve: Resolve, of: &Address) {
        self.answer = Some(resolve(of).map_err(|e| (e.kind(), e.to_string())));
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let waiting = under_way().remove(&self.key).unwrap_or_default();
        for one in waiting {
            // The waiting thread may have given up.
            let _ = self.answer.clone().map(|answer| one.send(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Instant;

    use super::*;

    static ASKED: AtomicUsize = AtomicUsize::new(0);
    const SLOW: Duration = Duration::from_millis(1500);

    fn slow(of: &Address) -> io::Result<Vec<SocketAddr>> {
        ASKED.fetch_add(1, Relaxed);
        thread::sleep(SLOW);
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], of.port))])
    }

    fn name(host: &str) -> Address {
        Address { host: host.into(), port: 9 }
    }

    #[test]
    fn a_name_server_that_does_not_answer_holds_up_for_the_limit_and_costs_one_thread() {
        let (of, start) = (name("slow.example"), Instant::now());
        for _ in 0..3 {
            let e = wait(&of, slow, Duration::from_millis(50)).unwrap_err();
            assert!(e.kind() == ErrorKind::TimedOut && e.to_string().contains("slow.example"), "{e}");
        }
        assert!(start.elapsed() < SLOW, "{:?}", start.elapsed());
        let found = wait(&of, slow, SLOW * 10).unwrap();
        assert_eq!((found.len(), ASKED.load(Relaxed)), (1, 1), "the answer comes to who asks later");
    }

    #[test]
    fn a_look_up_that_panics_is_an_error_and_the_next_one_is_made() {
        let of = name("panic.example");
        let e = wait(&of, |_| panic!("no"), Duration::from_secs(10)).unwrap_err();
        assert!(e.to_string().contains("panic.example"), "{e}");
        assert!(wait(&of, |of| Ok(vec![([127, 0, 0, 1], of.port).into()]), Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn an_address_is_not_looked_up() {
        assert!(resolve_within(&name("::1"), Duration::ZERO).is_ok());
    }
}
