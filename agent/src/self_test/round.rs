//! One round of the test: all steps are done once, and the facts that arrive are compared with the expected ones.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::child;
use super::datagrams::{self, LOOPBACKS, RawSockets};
use super::expected::{Expected, Seen};
use super::judgement::{Judgement, Silent};
use super::own::OwnProcess;
use super::streams::{self, Calls, Pending, Sender};
use super::tap::{Heard, Listening, Tap};

use crate::probes::AttachedHook;

/// Maximum wait until the pipeline drains the facts. If it takes longer, the test is inconclusive.
const PIPELINE_LIMIT: Duration = Duration::from_secs(10);
/// Maximum wait for the fact of an unanswered connection: the kernel repeats the SYN after one second.
const RETRANSMIT_LIMIT: Duration = Duration::from_millis(2500);
const RETRANSMIT_INTERVAL: Duration = Duration::from_millis(50);
/// Pause between two rounds: within a second, repeated uses of a socket are not reported again.
const PAUSE: Duration = Duration::from_millis(1100);
/// Maximum number of missing facts that a message names.
const MAX_NAMED: usize = 4;

/// The steps of a round.
#[derive(Debug, Default)]
struct Done {
    expected: Vec<Expected>,
    not_done: Vec<String>,
    pending: Option<Pending>,
}

/// State that all tests share.
pub(crate) struct Bench {
    tap: Tap,
    hooks: Vec<AttachedHook>,
    raw: RawSockets,
    own: OwnProcess,
}

impl Bench {
    /// Creates the tests for these hooks. Opens the raw sockets, which the test's thread is not permitted to open.
    pub(crate) fn new(tap: Tap, hooks: Vec<AttachedHook>, own: OwnProcess) -> Self {
        let is_raw = |hook: &AttachedHook| hook.program.contains("_raw");
        let raw = if hooks.iter().any(is_raw) { RawSockets::open() } else { RawSockets::default() };
        Self { tap, hooks, raw, own }
    }

    /// The hooks under test.
    pub(crate) fn hooks(&self) -> &[AttachedHook] {
        &self.hooks
    }

    /// Runs a test. A hook counts as silent if two rounds in a row find it silent.
    ///
    /// # Errors
    /// The test cannot be judged; the error is the reason.
    pub(crate) fn test(&self) -> Result<Judgement, String> {
        let first = self.round()?;
        if first.silent.is_empty() {
            return Ok(first);
        }
        thread::sleep(PAUSE);
        let mut second = self.round()?;
        second.silent.retain(|s| first.silent.iter().any(|f| f.hook == s.hook));
        Ok(second)
    }

    fn round(&self) -> Result<Judgement, String> {
        let listening = self.tap.listen();
        let done = self.act(&listening);
        if done.expected.is_empty() {
            return Err(done.not_done.join("; "));
        }
        let begun = Instant::now();
        loop {
            let heard = listening.heard_within(PIPELINE_LIMIT);
            let heard = heard.ok_or_else(|| format!("the pipeline took no facts for {PIPELINE_LIMIT:?}"))?;
            let is_awaited = self.awaits(&done, &heard) && begun.elapsed() < RETRANSMIT_LIMIT;
            if !is_awaited {
                return self.judge(&done, &heard);
            }
            thread::sleep(RETRANSMIT_INTERVAL);
        }
    }

    fn act(&self, tap: &Listening<'_>) -> Done {
        let mut done = Done::default();
        match child::run() {
            Ok(expected) => done.expected.extend(expected),
            Err(e) => done.not_done.push(format!("no process can be started: {e}")),
        }
        for address in LOOPBACKS {
            let mut attempt = |what, step: &dyn Fn(&mut Vec<Expected>) -> io::Result<()>| {
                if let Err(e) = step(&mut done.expected) {
                    done.not_done.push(format!("{what} over {address}: {e}"));
                }
            };
            for calls in Calls::ALL {
                for sender in [Sender::Client, Sender::Server] {
                    attempt("TCP", &|done| streams::connection(tap, address, (calls, sender), done));
                }
            }
            attempt("TCP", &|done| streams::failing(tap, address, done));
            attempt("UDP", &|done| datagrams::exchange(tap, address, done));
            attempt("ICMP echo", &|done| datagrams::echo(tap, address, done));
        }
        if let Err(e) = self.raw.exchange(tap, &mut done.expected) {
            done.not_done.push(format!("raw IP: {e}"));
        }
        let pending = LOOPBACKS.iter().find_map(|address| streams::pending(tap, *address).ok());
        done.expected.extend(pending.as_ref().map(|p| p.expected.clone()));
        Done { pending, ..done }
    }

    /// Whether the fact of the unanswered connection is missing and a hook has to report it.
    fn awaits(&self, done: &Done, heard: &Heard) -> bool {
        let Some(pending) = &done.pending else { return false };
        let own = self.own_pid(&done.expected, heard);
        let is_reported = heard.seen.iter().any(|seen| pending.expected.is(seen, own));
        !is_reported && self.hooks.iter().any(|hook| tells(hook, &pending.expected))
    }

    /// The agent's process id in facts: the known one, or the one that most facts of the test's sockets have.
    fn own_pid(&self, expected: &[Expected], heard: &Heard) -> u32 {
        if let Some(pid) = self.own.pid() {
            return pid;
        }
        let mut pids = HashMap::<u32, usize>::new();
        for seen in heard.seen.iter().filter(|s| s.is_of_socket() && expected.iter().any(|e| e.is(s, s.pid))) {
            *pids.entry(seen.pid).or_default() += 1;
        }
        pids.into_iter().max_by_key(|(_, times)| *times).map_or_else(std::process::id, |(pid, _)| {
            self.own.learn(pid);
            pid
        })
    }

    fn judge(&self, done: &Done, heard: &Heard) -> Result<Judgement, String> {
        let own = self.own_pid(&done.expected, heard);
        let (mut silent, mut untested) = (Vec::new(), Vec::new());
        for hook in &self.hooks {
            match missed(hook, &done.expected, &heard.seen, own) {
                None => untested.push(hook.clone()),
                Some(missed) if !missed.is_empty() => {
                    silent.push(Silent { hook: hook.clone(), missed: named(&missed) })
                }
                Some(_) => {}
            }
        }
        // If a hook depends on another one that is silent, it cannot be judged.
        let is_silent = |program| silent.iter().any(|s: &Silent| s.hook.program == program);
        let unclear = |s: &Silent| done.expected.iter().any(|e| tells(&s.hook, e) && e.needs.is_some_and(is_silent));
        let unclear: Vec<_> = silent.iter().filter(|s| unclear(s)).map(|s| s.hook.clone()).collect();
        silent.retain(|s| !unclear.contains(&s.hook));
        if !silent.is_empty() && heard.is_incomplete() {
            return Err("kernel events were lost during the test".to_owned());
        }
        untested.extend(unclear);
        Ok(Judgement { silent, untested, not_done: done.not_done.clone() })
    }
}

/// Whether this hook must report the fact.
fn tells(hook: &AttachedHook, expected: &Expected) -> bool {
    let event = hook.target.rsplit(':').next().unwrap_or_default();
    expected.told_by.iter().any(|by| *by == hook.program || *by == event)
}

/// The expected facts that the hook did not report; none: it had nothing to report.
fn missed<'a>(hook: &AttachedHook, expected: &'a [Expected], seen: &[Seen], own_pid: u32) -> Option<Vec<&'a Expected>> {
    let mut of_hook = expected.iter().filter(|e| tells(hook, e)).peekable();
    of_hook.peek()?;
    Some(of_hook.filter(|e| !seen.iter().any(|s| e.is(s, own_pid))).collect())
}

fn named(missed: &[&Expected]) -> String {
    let mut names: Vec<_> = missed.iter().map(|e| format!("{}{}", e.what, e.family())).collect();
    names.dedup();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::expected::Act;
    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn hook(program: &str, target: &str) -> AttachedHook {
        AttachedHook { program: program.into(), target: target.into() }
    }

    fn sent(pid: u32, local_port: u16, remote_port: u16) -> Seen {
        Seen { act: Act::Send, pid, protocol: 17, local_port, remote_port, is_ipv4: true }
    }

    fn expected() -> Vec<Expected> {
        let of = |what, by| Expected::of_socket(Act::Send, (17, HOME, 5), what, by);
        let call = of("a call", &["sys_exit_sendto"]).to(9);
        vec![of("a peer", &["cgroup"]).to(7), of("a send", &["sock_send"]).to(0), call]
    }

    #[test]
    fn a_hook_is_compared_with_the_facts_that_it_must_report() {
        let (cgroup, send) = (hook("cgroup", "cgroup:udp4_sendmsg"), hook("sock_send", "raw_tp:sock_send_length"));
        let call = hook("call_sent", "tracepoint:syscalls:sys_exit_sendto");
        let count = |hook: &AttachedHook, seen: &[Seen]| missed(hook, &expected(), seen, 1).map(|m| m.len());
        let seen = [sent(1, 5, 0)];
        assert_eq!((count(&cgroup, &seen), count(&send, &seen), count(&call, &seen)), (Some(1), Some(0), Some(1)));
        assert_eq!(count(&send, &[sent(2, 5, 0)]), Some(1), "another process with that port in another namespace");
        assert_eq!(count(&send, &[sent(1, 5, 7)]), Some(1), "reported by another hook");
        assert_eq!(count(&hook("other", "raw_tp:other"), &seen), None, "nothing was done for it");
    }

    fn bench(hooks: Vec<AttachedHook>) -> Bench {
        Bench::new(Tap::default(), hooks, OwnProcess::new(Some(1)))
    }

    #[test]
    fn what_needs_a_silent_hook_is_not_judged() {
        let needs = |e: Expected| Expected { needs: Some("cgroup"), ..e };
        let [peer, send, _] = expected().try_into().unwrap();
        let done = Done { expected: vec![peer, needs(send)], ..Done::default() };
        let hooks = vec![hook("cgroup", "cgroup:x"), hook("sock_send", "raw_tp:y")];
        let found = bench(hooks.clone()).judge(&done, &Heard::default()).unwrap();
        let silent: Vec<_> = found.silent.into_iter().map(|s| s.hook).collect();
        assert_eq!((silent, found.untested), (vec![hooks[0].clone()], vec![hooks[1].clone()]));
    }

    #[test]
    fn without_a_pipeline_there_is_no_answer() {
        let tap = Tap::default();
        let listening = tap.listen();
        assert!(listening.heard_within(Duration::from_millis(30)).is_none());
    }

    #[test]
    fn facts_that_were_drained_before_the_request_are_no_answer() {
        let tap = Tap::default();
        let lost = |lost: &u64| *lost;
        thread::scope(|scope| {
            let listening = tap.listen();
            // The pipeline drains facts repeatedly, and loses one event each time.
            let pipeline = scope.spawn(|| {
                let mut source = 0_u64;
                for _ in 0..20 {
                    tap.pass(&mut Vec::new(), &mut source, |source, _| *source += 1, lost);
                    thread::sleep(Duration::from_millis(10));
                }
            });
            let heard = listening.heard_within(Duration::from_secs(5)).unwrap();
            assert!(heard.seen.is_empty());
            thread::sleep(Duration::from_millis(30));
            assert!(listening.heard_within(Duration::from_secs(5)).unwrap().is_incomplete());
            drop(listening);
            pipeline.join().unwrap();
        });
    }
}
