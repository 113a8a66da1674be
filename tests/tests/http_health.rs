//! `/livez`, `/readyz` and `pidflow_ready` of an agent to which bad things happen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use pidflow_tests::serving::{Serving, eventually, within};
use pidflow_tests::skip::without_root;
use pidflow_tests::sys::{self, Halted};

/// How long losses are named.
const MEMORY: Duration = Duration::from_secs(60);
/// Of its pipeline, after which an agent counts as dead.
const SILENCE: Duration = Duration::from_secs(10);

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// A network of this thread's own and of whom it starts, with a link to nowhere.
fn own_network() {
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    add_left();
}

/// The link.
fn add_left() {
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    ip("addr add 192.0.2.1/24 dev left");
    ip("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev left");
}

/// Status and text.
fn page(agent: &Serving, path: &str) -> (u16, String) {
    let answer = agent.get(path).unwrap();
    (answer.status, answer.body)
}

fn ready(agent: &Serving) -> u64 {
    agent.metric("pidflow_ready").unwrap()
}

#[test]
fn a_pipeline_that_hangs_is_reported_and_so_is_its_recovery() {
    if without_root("a_pipeline_that_hangs_is_reported_and_so_is_its_recovery") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    eventually("it is ready", || Ok(page(&agent, "/readyz").0 == 200)).unwrap();
    assert_eq!((page(&agent, "/livez"), ready(&agent)), ((200, "ok\n".into()), 1));

    // The main thread, which has the number of its process, is the pipeline.
    let halted = Halted::new(agent.pid()).unwrap();
    let begun = Instant::now();
    eventually("it is dead", || Ok(page(&agent, "/livez").0 == 503)).unwrap();
    assert!(begun.elapsed() > SILENCE - Duration::from_secs(2), "{:?}", begun.elapsed());
    let (_, said) = page(&agent, "/livez");
    assert!(said.starts_with("dead: the pipeline has been silent for 1") && said.lines().count() == 1, "{said}");
    let (status, said) = page(&agent, "/readyz");
    assert!(status == 503 && said.starts_with("not ready: the pipeline has been silent for 1"), "{said}");
    assert_eq!(ready(&agent), 0);

    drop(halted);
    eventually("it is back", || Ok(page(&agent, "/livez").0 == 200)).unwrap();
    assert_eq!((page(&agent, "/readyz").0, ready(&agent)), (200, 1));
    agent.stop().unwrap();
}

#[test]
fn missing_hooks_are_reported_while_some_work() {
    if without_root("missing_hooks_are_reported_while_some_work") {
        return;
    }
    own_network();
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &["-i", "lo", "-i", "left", "--probes", "poll"]).unwrap();
    eventually("it is ready", || Ok(page(&agent, "/readyz").0 == 200)).unwrap();
    let (_, said) = page(&agent, "/readyz");
    assert!(
        said.starts_with("ok\ndegraded: ") && said.contains(": not seen: ") && !said.contains("not captured"),
        "{said}"
    );

    ip("link del left");
    eventually("one interface is missed", || Ok(page(&agent, "/readyz").1.contains("not captured"))).unwrap();
    let (status, said) = page(&agent, "/readyz");
    assert!(
        status == 200 && said.starts_with("ok\n") && said.contains("\ndegraded: interface left is not captured\n"),
        "{said}"
    );
    assert_eq!((page(&agent, "/livez").0, ready(&agent)), (200, 1));
    agent.stop().unwrap();
}

#[test]
fn an_agent_that_sees_nothing_any_more_is_not_ready_and_not_dead_while_it_finishes() {
    if without_root("an_agent_that_sees_nothing_any_more_is_not_ready_and_not_dead_while_it_finishes") {
        return;
    }
    own_network();
    let dir = tempfile::tempdir().unwrap();
    // Nobody is there to take records, so that the end takes all the time that it may.
    let drain = SILENCE + Duration::from_secs(10);
    let drain_timeout = format!("{}s", drain.as_secs());
    let options = ["-i", "left", "--json", "tcp://127.0.0.1:9", "--drain-timeout", &drain_timeout];
    let agent = Serving::start(dir.path(), &options).unwrap();
    eventually("it is ready", || Ok(page(&agent, "/readyz").0 == 200)).unwrap();
    let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
    (0..5).for_each(|_| assert_eq!(socket.send_to(b"to nobody", "192.0.2.2:9").unwrap(), 9));
    eventually("packets are seen", || Ok(agent.metric("pidflow_packets_total")? >= 5)).unwrap();

    // What is gone may come back.
    ip("link del left");
    eventually("it is not ready", || Ok(page(&agent, "/readyz").0 == 503)).unwrap();
    let (_, said) = page(&agent, "/readyz");
    assert!(said.starts_with("not ready: no interface is captured, all have disappeared"), "{said}");
    assert_eq!((page(&agent, "/livez"), ready(&agent)), ((200, "ok\n".into()), 0));
    add_left();
    eventually("it is ready again", || Ok(page(&agent, "/readyz").0 == 200)).unwrap();

    sys::signal(agent.pid(), libc::SIGTERM).unwrap();
    eventually("it is not ready", || Ok(page(&agent, "/readyz").0 == 503)).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < SILENCE + Duration::from_secs(2) {
        let (status, said) = page(&agent, "/readyz");
        assert!(status == 503 && said.starts_with("not ready: stopping"), "{said}");
        assert_eq!((page(&agent, "/livez"), ready(&agent)), ((200, "ok\n".into()), 0));
        std::thread::sleep(Duration::from_millis(500));
    }
    eventually("it ends", || Ok(agent.get("/livez").is_err())).unwrap();
}

#[test]
fn recent_losses_are_named_and_no_reason_to_restart() {
    if without_root("recent_losses_are_named_and_no_reason_to_restart") {
        return;
    }
    // A table for so few flows loses those of others on this machine too.
    own_network();
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there, and few records may wait.
    let config = dir.path().join("pidflow.toml");
    let exporter = "[[exporter]]\nkind = \"json\"\nurl = \"tcp://127.0.0.1:9\"\nqueue-records = 16\n";
    std::fs::write(&config, exporter).unwrap();
    let options = ["--config", config.to_str().unwrap(), "--max-flows", "100"];
    let agent = Serving::start(dir.path(), &options).unwrap();
    eventually("it is ready", || Ok(page(&agent, "/readyz").0 == 200)).unwrap();
    let degraded = || agent.metric("pidflow_degraded").unwrap();
    assert!(!page(&agent, "/readyz").1.contains("records lost"));
    let before = degraded();

    let (receiver, lost) = (UdpSocket::bind("127.0.0.1:0").unwrap(), Instant::now());
    for _ in 0..600 {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"one of many flows", receiver.local_addr().unwrap()).unwrap();
    }
    for (stage, words) in [("exporter json", "records lost in the last minute (queue_full)"), ("flows", "(table-full)")]
    {
        eventually(stage, || {
            let (status, said) = page(&agent, "/readyz");
            let line = said.lines().find(|l| l.starts_with(&format!("degraded: {stage}")) && l.ends_with(words));
            Ok(status == 200 && line.is_some())
        })
        .unwrap();
    }
    eventually("metrics count the reasons", || Ok(degraded() >= before + 2)).unwrap();
    let series = "pidflow_losses_total{stage=\"flows\",reason=\"table-full\"}";
    assert!(agent.metric(series).unwrap() > 100);
    assert_eq!((page(&agent, "/livez").0, ready(&agent)), (200, 1));
    let is_forgotten = || Ok(!page(&agent, "/readyz").1.contains("(table-full)"));
    within(2 * MEMORY, "a minute later it is forgotten", is_forgotten).unwrap();
    assert!(lost.elapsed() > MEMORY - Duration::from_secs(5), "{:?}", lost.elapsed());
    agent.stop().unwrap();
}
