//! One handler for each fact about sockets. The entry points are in the other files of this folder.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::maps::ring_buf::RingBufEntry;
use pidflow_schema::abi::{EventKind, SocketEvent, SocketOp, TaskRef, UNKNOWN_ERROR, UnacceptedEvent, Usage};

use crate::counters::{KernelCounter, count};
use crate::emit::{Report, Weight, now, reserve, submit, unreported};
use crate::kernel::{Peer, Sock, TCP_CLOSE, Task};
use crate::usage::usage_at;

/// The process that called connect, during the attempt: the result is reported in softirq, where the current process is
/// arbitrary.
#[map]
static CONNECTING: LruHashMap<u64, Connecting> = LruHashMap::with_max_entries(16_384, 0);

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Connecting {
    time_ns: u64,
    task: TaskRef,
    usage: Usage,
    parent_tgid: u32,
    stage: u32,
    /// For an attempt that has only begun: of which socket, because a `struct sock` is used again, and where to.
    inode: u64,
    peer: Peer,
    reserved: u32,
}

/// [`Connecting::stage`]: connect was called.
const BEGUN: u32 = 0;
/// The kernel has accepted the attempt.
const ACCEPTED: u32 = 1;
/// The attempt was reported.
const TOLD: u32 = 2;

/// What happened, when, since when (0: not known), and the error.
#[derive(Clone, Copy)]
struct Deed {
    op: SocketOp,
    time_ns: u64,
    since_ns: u64,
    error: u32,
}

impl Deed {
    #[inline(always)]
    fn now(op: SocketOp) -> Self {
        Self { op, time_ns: now(), since_ns: 0, error: 0 }
    }

    #[inline(always)]
    fn of(attempt: &Connecting) -> Self {
        Self { op: SocketOp::Connect, time_ns: attempt.time_ns, since_ns: attempt.time_ns, error: 0 }
    }
}

#[inline(always)]
fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The current process did `op` with `sk`; `peer` is for datagrams whose other end is not in the socket.
#[inline(always)]
pub fn used(op: SocketOp, sk: Sock, peer: Peer) {
    used_since(op, sk, peer, 0);
}

/// Like [`used`], in a call that began at that time; 0: it begins now.
#[inline(always)]
pub fn used_since(op: SocketOp, sk: Sock, peer: Peer, since: u64) {
    if !sk.is_inet() {
        return;
    }
    let time = now();
    let tgid = current_tgid();
    if tgid == 0 {
        return;
    }
    let Some(report) = unreported(sk, tgid, &peer, time) else { return };
    let weight = if report.is_known { Weight::Minor } else { Weight::Essential };
    // If there is no room, the next use is reported.
    let Some(entry) = reserve(weight) else { return };
    // Before the event is filled in: the verifier of older kernels cannot follow the key through all its branches.
    report.note();
    fill(entry, Deed { op, time_ns: time, since_ns: since, error: 0 }, sk, peer);
}

/// Like [`used`], but never suppressed, because it happens once for each socket.
#[inline(always)]
pub fn happened(op: SocketOp, sk: Sock) {
    if sk.is_inet() && current_tgid() != 0 {
        let weight = if op as u32 == SocketOp::Close as u32 { Weight::Minor } else { Weight::Essential };
        let Some(entry) = reserve(weight) else { return };
        fill(entry, Deed::now(op), sk, Peer::default());
    }
}

/// Like [`happened`] for a listening socket, without the usage of its process: it has no flow, and another read of the usage in
/// the same program would double the verifier's work.
#[inline(always)]
pub fn listened(op: SocketOp, sk: Sock) {
    if sk.is_inet() && current_tgid() != 0 {
        let Some(mut entry) = reserve::<SocketEvent>(Weight::Essential) else { return };
        let event = unsafe { &mut *entry.as_mut_ptr() };
        describe(event, Deed::now(op), sk, Peer::default());
        event.usage = Usage::default();
        submit(entry);
    }
}

/// The current process closes the socket. If a kernel thread closes it, another process has given it up, and the owner
/// is no longer known.
#[inline(always)]
pub fn closed(sk: Sock) {
    if !Task::current().is_kernel_thread() {
        happened(SocketOp::Close, sk);
    }
}

/// A connection ends that nobody has accepted. The current process is anybody.
#[inline(always)]
pub fn unaccepted(sk: Sock) {
    let Some(mut entry) = reserve::<UnacceptedEvent>(Weight::Essential) else { return };
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Unaccepted as u32;
    event.reserved = 0;
    event.time_ns = now();
    sk.describe(&mut event.socket);
    submit(entry);
}

#[inline(always)]
fn fill(mut entry: RingBufEntry<SocketEvent>, deed: Deed, sk: Sock, peer: Peer) {
    let event = unsafe { &mut *entry.as_mut_ptr() };
    let task = describe(event, deed, sk, peer);
    usage_at(task, event.task.tgid, deed.time_ns, &mut event.usage);
    submit(entry);
}

/// Fills in all but the usage of the current process. Returns its thread.
#[inline(always)]
fn describe(event: &mut SocketEvent, deed: Deed, sk: Sock, peer: Peer) -> Task {
    event.kind = EventKind::Socket as u32;
    event.op = deed.op as u32;
    event.time_ns = deed.time_ns;
    event.error = deed.error;
    event.since_ns = deed.since_ns;
    let task = Task::current();
    event.parent_tgid = task.describe(&mut event.task).parent().tgid();
    sk.describe(&mut event.socket);
    peer.describe(&mut event.socket);
    task
}

/// A connect of the current process failed before a packet was sent.
#[inline(always)]
pub fn failed_at_once(sk: Sock, peer: Peer, error: u32) {
    let Some(entry) = reserve(Weight::Essential) else { return };
    let time_ns = now();
    fill(entry, Deed { op: SocketOp::ConnectFailed, time_ns, since_ns: time_ns, error }, sk, peer);
}

/// The current process calls connect; the kernel has not looked for a route yet.
#[inline(always)]
pub fn connect_begins(sk: Sock, peer: Peer) {
    given_up(sk);
    remember(sk, BEGUN, peer);
}

/// The current process starts a TCP connection; the source port may not be chosen yet.
#[inline(always)]
pub fn connecting(sk: Sock) {
    if let Some(attempt) = CONNECTING.get_ptr_mut(&sk.0) {
        // SAFETY: a map value, valid for the program's run.
        let attempt = unsafe { &mut *attempt };
        if attempt.stage == BEGUN && attempt.task.tgid == current_tgid() {
            attempt.stage = ACCEPTED;
            // The socket has the address now, which another program may have changed.
            attempt.peer = Peer::default();
            return;
        }
    }
    remember(sk, ACCEPTED, Peer::default());
}

#[inline(always)]
fn remember(sk: Sock, stage: u32, peer: Peer) {
    let task = Task::current();
    let mut attempt = Connecting { time_ns: now(), stage, inode: sk.inode(), peer, ..Connecting::default() };
    attempt.parent_tgid = task.describe(&mut attempt.task).parent().tgid();
    usage_at(task, attempt.task.tgid, attempt.time_ns, &mut attempt.usage);
    if CONNECTING.insert(&sk.0, &attempt, 0).is_err() {
        count(KernelCounter::MapFull);
    }
}

/// The socket is closed, or used for another attempt: if the last one has only begun, it failed at once.
#[inline(always)]
pub fn given_up(sk: Sock) {
    if u32::from(sk.state()) != TCP_CLOSE {
        return;
    }
    let Some(attempt) = CONNECTING.get_ptr(&sk.0) else { return };
    // SAFETY: a map value, valid for the program's run.
    let attempt = unsafe { &*attempt };
    if attempt.stage == BEGUN && attempt.inode == sk.inode() {
        if let Some(entry) = reserve(Weight::Essential) {
            let failed = Deed { op: SocketOp::ConnectFailed, error: UNKNOWN_ERROR, ..Deed::of(attempt) };
            fill_attempt(entry, sk, attempt, failed);
        }
    }
    forget(sk);
}

/// The attempt has a source port now, which is reported once; or it has failed, with the socket's error.
#[inline(always)]
pub fn attempted(sk: Sock, has_failed: bool) {
    let Some(attempt) = CONNECTING.get_ptr_mut(&sk.0) else { return };
    // SAFETY: a map value, valid for the program's run.
    let attempt = unsafe { &mut *attempt };
    if attempt.stage == TOLD && !has_failed {
        return;
    }
    let Some(entry) = reserve(Weight::Essential) else { return };
    attempt.stage = TOLD;
    // What the process sends now says nothing new.
    Report::of(sk, attempt.task.tgid, &Peer::default(), now()).note();
    // Not an `Option`: see `Peer`.
    let mut deed = Deed::of(attempt);
    if has_failed {
        deed.op = SocketOp::ConnectFailed;
        deed.time_ns = now();
        deed.error = sk.error();
    }
    fill_attempt(entry, sk, attempt, deed);
}

/// The attempt has ended.
#[inline(always)]
pub fn forget(sk: Sock) {
    // There is no entry if the attempt began before the programs were attached.
    let _ = CONNECTING.remove(&sk.0);
}

/// Reports the attempt, or its failure.
#[inline(always)]
fn fill_attempt(mut entry: RingBufEntry<SocketEvent>, sk: Sock, attempt: &Connecting, deed: Deed) {
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Socket as u32;
    event.op = deed.op as u32;
    event.time_ns = deed.time_ns;
    event.error = deed.error;
    event.since_ns = deed.since_ns;
    event.task = attempt.task;
    event.parent_tgid = attempt.parent_tgid;
    event.usage = attempt.usage;
    sk.describe(&mut event.socket);
    attempt.peer.describe(&mut event.socket);
    submit(entry);
}
