//! One handler for each fact about sockets. The entry points are in the other files of this folder.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::maps::ring_buf::RingBufEntry;
use pidflow_schema::abi::{EventKind, SocketEvent, SocketOp, TaskRef, UnacceptedEvent, Usage};

use crate::counters::{KernelCounter, count};
use crate::emit::{Report, Weight, now, reserve, submit, unreported};
use crate::kernel::{Peer, Sock, Task};

/// The process that called connect, during the attempt: the result is reported in softirq, where the current process is
/// arbitrary.
#[map]
static CONNECTING: LruHashMap<u64, Connecting> = LruHashMap::with_max_entries(16_384, 0);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Connecting {
    time_ns: u64,
    task: TaskRef,
    usage: Usage,
    parent_tgid: u32,
    told: u32,
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
    fill(entry, op, sk, peer, (since, time));
}

/// Like [`used`], but never suppressed, because it happens once for each socket.
#[inline(always)]
pub fn happened(op: SocketOp, sk: Sock) {
    if sk.is_inet() && current_tgid() != 0 {
        let weight = if op as u32 == SocketOp::Close as u32 { Weight::Minor } else { Weight::Essential };
        let Some(entry) = reserve(weight) else { return };
        fill(entry, op, sk, Peer::default(), (0, now()));
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
fn fill(mut entry: RingBufEntry<SocketEvent>, op: SocketOp, sk: Sock, peer: Peer, (since, time): (u64, u64)) {
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Socket as u32;
    event.op = op as u32;
    event.time_ns = time;
    event.error = 0;
    event.since_ns = since;
    let task = Task::current();
    event.parent_tgid = task.describe(&mut event.task).parent().tgid();
    sk.describe(&mut event.socket);
    peer.describe(&mut event.socket);
    task.usage(&mut event.usage);
    submit(entry);
}

/// The current process starts a TCP connection; the source port may not be chosen yet.
#[inline(always)]
pub fn connecting(sk: Sock) {
    let task = Task::current();
    let mut attempt =
        Connecting { time_ns: now(), task: TaskRef::default(), usage: Usage::default(), parent_tgid: 0, told: 0 };
    attempt.parent_tgid = task.describe(&mut attempt.task).parent().tgid();
    task.usage(&mut attempt.usage);
    if CONNECTING.insert(&sk.0, &attempt, 0).is_err() {
        count(KernelCounter::MapFull);
    }
}

/// The attempt has a source port now, which is reported once; or it has failed, with the socket's error.
#[inline(always)]
pub fn attempted(sk: Sock, has_failed: bool) {
    let Some(attempt) = CONNECTING.get_ptr_mut(&sk.0) else { return };
    // SAFETY: a map value, valid for the program's run.
    let attempt = unsafe { &mut *attempt };
    if attempt.told != 0 && !has_failed {
        return;
    }
    let Some(entry) = reserve(Weight::Essential) else { return };
    attempt.told = 1;
    // What the process sends now says nothing new.
    Report::of(sk, attempt.task.tgid, &Peer::default(), now()).note();
    fill_attempt(entry, sk, attempt, has_failed);
}

/// The attempt has ended.
#[inline(always)]
pub fn forget(sk: Sock) {
    // There is no entry if the attempt began before the programs were attached.
    let _ = CONNECTING.remove(&sk.0);
}

#[inline(always)]
fn fill_attempt(mut entry: RingBufEntry<SocketEvent>, sk: Sock, attempt: &Connecting, has_failed: bool) {
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Socket as u32;
    let op = if has_failed { SocketOp::ConnectFailed } else { SocketOp::Connect };
    event.op = op as u32;
    event.time_ns = if has_failed { now() } else { attempt.time_ns };
    event.since_ns = attempt.time_ns;
    event.error = if has_failed { sk.error() } else { 0 };
    event.task = attempt.task;
    event.parent_tgid = attempt.parent_tgid;
    event.usage = attempt.usage;
    sk.describe(&mut event.socket);
    submit(entry);
}
