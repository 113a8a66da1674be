//! Processes: fork, exec, exit.

use aya_ebpf::helpers::bpf_probe_read_user_buf;
use aya_ebpf::macros::{fentry, kprobe, raw_tracepoint};
use aya_ebpf::programs::{FEntryContext, ProbeContext, RawTracePointContext};
use pidflow_schema::abi::{ARGS_LEN, EventKind, ExecEvent, ExitEvent, ForkEvent, PATH_LEN};

use crate::emit::{Weight, now, reserve, submit};
use crate::kernel::{Task, binprm_path, number};
use crate::memory::{forget_peak, inherit};
use crate::path::write_chain;

/// `sched_process_fork(parent, child)`.
#[raw_tracepoint]
pub fn process_fork(ctx: RawTracePointContext) -> i32 {
    fork(Task::from_raw(ctx.arg(0)), Task::from_raw(ctx.arg(1)));
    0
}

#[inline(always)]
fn fork(parent: Task, child: Task) {
    if !child.is_leader() {
        return; // A thread, not a process.
    }
    let Some(mut entry) = reserve::<ForkEvent>(Weight::Essential) else { return };
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Fork as u32;
    event.reserved = 0;
    event.time_ns = now();
    child.describe(&mut event.child);
    // With CLONE_PARENT this is the caller's parent, not the caller.
    let real = child.parent();
    if real.tgid() == 0 {
        parent.describe(&mut event.parent);
    } else {
        real.describe(&mut event.parent);
    }
    submit(entry);
}

/// `sched_process_exec(task, old_pid, binprm)`.
///
/// Reports the path as given to exec: for kernels that do not accept [`process_exec_resolved`].
#[raw_tracepoint]
pub fn process_exec(ctx: RawTracePointContext) -> i32 {
    exec(Task::from_raw(ctx.arg(0)), ctx.arg(2), false);
    0
}

/// Like [`process_exec`], with the file's own path, because the path given to exec may be relative, a link, or a
/// script.
#[raw_tracepoint]
pub fn process_exec_resolved(ctx: RawTracePointContext) -> i32 {
    exec(Task::from_raw(ctx.arg(0)), ctx.arg(2), true);
    0
}

#[inline(always)]
fn exec(task: Task, binprm: u64, resolves: bool) {
    inherit(task.tgid(), task.kept_peak());
    let Some(mut entry) = reserve::<ExecEvent>(Weight::Essential) else { return };
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Exec as u32;
    event.time_ns = now();
    event.parent_tgid = task.describe(&mut event.task).parent().tgid();
    event.reserved = 0;
    event.path_is_chain = 0;
    event.path_len = if resolves { write_chain(task.executable(), &mut event.path) } else { 0 };
    if event.path_len == 0 {
        event.path_len = read_path(binprm, &mut event.path);
    } else {
        event.path_is_chain = 1;
    }
    event.args_len = read_arguments(task, &mut event.args);
    submit(entry);
}

#[inline(always)]
fn read_path(binprm: u64, out: &mut [u8; PATH_LEN]) -> u32 {
    let from = binprm_path(binprm) as *const u8;
    // SAFETY: the helper checks the address and ends the string within `out`.
    let read = unsafe {
        aya_ebpf::helpers::generated::bpf_probe_read_kernel_str(out.as_mut_ptr().cast(), PATH_LEN as u32, from.cast())
    };
    if read > 0 { read as u32 - 1 } else { 0 }
}

#[inline(always)]
fn read_arguments(task: Task, out: &mut [u8; ARGS_LEN]) -> u32 {
    let (start, len) = task.arguments();
    if len == 0 {
        return 0;
    }
    if len >= ARGS_LEN as u64 {
        // SAFETY: the helper checks the address.
        let read = unsafe { bpf_probe_read_user_buf(start as *const u8, out) };
        return if read.is_ok() { ARGS_LEN as u32 } else { 0 };
    }
    let len = (len & (ARGS_LEN as u64 - 1)) as u32;
    // SAFETY: as above; `len` is below the size of `out`.
    let read =
        unsafe { aya_ebpf::helpers::generated::bpf_probe_read_user(out.as_mut_ptr().cast(), len, start as *const _) };
    if read == 0 { len } else { 0 }
}

/// `sched_process_exit(task)`: on kernels before 6.16 it is called after the memory is released.
#[raw_tracepoint]
pub fn process_exit(ctx: RawTracePointContext) -> i32 {
    exit(Task::from_raw(ctx.arg(0)));
    0
}

/// `taskstats_exit(task, group_dead)`: `do_exit` calls it before the memory is released.
#[fentry]
pub fn fentry_taskstats_exit(ctx: FEntryContext) -> i32 {
    exit(Task::from_raw(number(ctx.arg(0))));
    0
}

/// See [`fentry_taskstats_exit`].
#[kprobe]
pub fn kprobe_taskstats_exit(ctx: ProbeContext) -> u32 {
    if let Some(task) = ctx.arg(0) {
        exit(Task::from_raw(task));
    }
    0
}

#[inline(always)]
fn exit(task: Task) {
    if !task.is_last_thread() {
        return;
    }
    let Some(mut entry) = reserve::<ExitEvent>(Weight::Essential) else { return };
    let event = unsafe { &mut *entry.as_mut_ptr() };
    event.kind = EventKind::Exit as u32;
    event.time_ns = now();
    event.exit_code = task.exit_code();
    event.parent_tgid = task.describe(&mut event.task).parent().tgid();
    event.reserved = 0;
    task.usage(&mut event.usage);
    submit(entry);
    forget_peak(task.tgid());
}
