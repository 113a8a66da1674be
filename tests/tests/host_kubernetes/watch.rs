//! A watch that is ended, cut, refused or expired, and a server that is away.

use std::net::IpAddr;
use std::process::Command;

use pidflow_tests::process::binary;
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::without_root;

use crate::fake::{End, Fake};
use crate::run::{Datagram, NODE, Run, now, pod, servers, text};
use crate::world::{KUBELET, PODS, REPLICA_SETS};

const LONG_AGO: &str = "2026-01-01T00:00:00Z";
const API_ONLY: [&str; 4] = ["--kubernetes", "api", "--probes", "poll"];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// The versions with which watches began, so far.
fn versions(fake: &Fake) -> Vec<u64> {
    let begun = |to: &str| to.split("resourceVersion=").nth(1)?.split('&').next()?.parse().ok();
    fake.world(|world| world.asked(PODS).iter().filter_map(|(to, _)| begun(to)).collect())
}

fn lists(fake: &Fake) -> usize {
    fake.world(|world| world.asked(PODS).iter().filter(|(to, _)| !to.contains("watch=true")).count())
}

/// Waits until a watch that began with this version is open.
fn wait_watch(fake: &Fake, what: &str, version: impl Fn(u64) -> bool) {
    let is_open = || Ok(fake.open_watches() > 0 && versions(fake).last().is_some_and(|v| version(*v)));
    eventually(what, is_open).unwrap_or_else(|e| panic!("{e}; {:?}", versions(fake)));
}

#[test]
fn a_watch_goes_on_after_its_end_a_cut_and_a_version_that_is_gone() {
    if without_root("a_watch_goes_on_after_its_end_a_cut_and_a_version_that_is_gone") {
        return;
    }
    let fake = Fake::start("t");
    fake.world(|world| {
        world.denied.insert(REPLICA_SETS);
        world.put(PODS, pod("a-1", NODE, "127.20.0.1", LONG_AGO));
        world.put(PODS, pod("b-1", NODE, "127.20.0.2", LONG_AGO));
    });
    let run = Run::start(&fake, "t", &API_ONLY);
    wait_watch(&fake, "the first watch", |version| version == 2);

    // What happens elsewhere is not told, but a bookmark says how far the server is: the next watch begins there.
    let marked = fake.world(|world| {
        (0..5).for_each(|n| world.put(PODS, pod(&format!("far-{n}"), "node-2", "10.0.0.1", LONG_AGO)));
        world.bookmark(PODS)
    });
    fake.end_watches(End::Regular);
    wait_watch(&fake, "a watch from the bookmark on", |version| version == marked);
    assert_eq!((lists(&fake), marked), (1, 7), "nothing was listed again");

    // A change, and then a line that is cut: everything is listed again, and what is not told any more is found out.
    fake.world(|world| world.put(PODS, pod("c-1", NODE, "127.20.0.3", LONG_AGO)));
    fake.end_watches(End::Cut);
    fake.world(|world| {
        world.delete(PODS, "b-1");
        world.put(PODS, pod("d-1", NODE, "127.20.0.2", &now()));
    });
    wait_watch(&fake, "a watch after the cut", |version| version == 10);
    assert_eq!(lists(&fake), 2);
    let all = ["127.20.0.1", "127.20.0.2", "127.20.0.3"].map(address);
    assert_eq!(run.pods_of(&all), [some("a-1"), some("d-1"), some("c-1")]);

    // The server has forgotten the version: once in the watch, once when the watch begins.
    fake.world(|world| {
        world.delete(PODS, "c-1");
        world.compact();
    });
    fake.end_watches(End::Gone);
    wait_watch(&fake, "a watch after the message that its version is gone", |version| version == 12);
    fake.world(|world| {
        world.put(PODS, pod("e-1", NODE, "127.20.0.3", &now()));
        world.compact();
    });
    fake.end_watches(End::Regular);
    wait_watch(&fake, "a watch after a refusal with 410", |version| version == 14);
    assert_eq!(run.pods_of(&all), [some("a-1"), some("d-1"), some("e-1")]);
    fake.world(|world| assert_eq!(world.breaches, [""; 0]));
}

#[test]
fn watches_that_end_at_once_do_not_become_a_flood() {
    if without_root("watches_that_end_at_once_do_not_become_a_flood") {
        return;
    }
    let fake = Fake::start("t");
    fake.world(|world| world.put(PODS, pod("a-1", NODE, "127.21.0.1", LONG_AGO)));
    let _run = Run::start(&fake, "t", &API_ONLY);
    let begun = std::time::Instant::now();
    while begun.elapsed().as_secs() < 4 {
        fake.end_watches(End::Regular);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let (watches, seconds): (usize, f64) = (versions(&fake).len(), begun.elapsed().as_secs_f64());
    assert!(watches > 0 && (watches as f64) < 2.0 * seconds + 2.0, "{watches} watches in {seconds} s");
}

#[test]
fn while_the_server_is_away_nothing_is_made_up_and_then_everything_is_known() {
    if without_root("while_the_server_is_away_nothing_is_made_up_and_then_everything_is_known") {
        return;
    }
    let fake = Fake::start("t-1");
    fake.world(|world| {
        world.denied.insert(REPLICA_SETS);
        world.put(PODS, pod("a-1", NODE, "127.22.0.1", LONG_AGO));
        world.put(PODS, pod("b-1", NODE, "127.22.0.2", LONG_AGO));
    });
    let run = Run::start(&fake, "t-1", &API_ONLY);
    wait_watch(&fake, "the first watch", |_| true);
    let (first, second) = (address("127.22.0.1"), address("127.22.0.2"));
    assert_eq!(run.pods_of(&[first, second]), [some("a-1"), some("b-1")]);

    // The token expires, and the watch ends: the agent says so, and takes the new one as soon as it is there.
    fake.world(|world| "t-2".clone_into(&mut world.token));
    fake.end_watches(End::Regular);
    run.wait_readyz("the expired token", |said| said.starts_with("ok") && said.contains("Kubernetes pods"));
    run.wait_log("HTTP 401 Unauthorized");
    std::fs::write(run.account.path().join("token"), "t-2").unwrap();
    wait_watch(&fake, "a watch with the new token", |_| true);
    run.wait_readyz("all is well", |said| !said.contains("Kubernetes"));

    // The server goes away. A pod ends, and another one gets its address.
    fake.go_down();
    run.wait_readyz("the loss", |said| said.starts_with("ok") && said.contains("Kubernetes pods"));
    fake.world(|world| world.delete(PODS, "a-1"));
    let during = [Datagram::send(first), Datagram::send(second)];
    let said = doctor(&fake, &run);
    assert!(said.contains("Kubernetes pods") && said.contains(&fake.url) && said.contains("remedy"), "{said}");
    assert_eq!(during.map(|sent| text(&sent.record(&run.agent), "DST_K8S_POD")), [None, None]);
    fake.world(|world| world.put(PODS, pod("c-1", NODE, "127.22.0.1", &now())));
    fake.come_up();
    run.wait_readyz("the server is back", |said| !said.contains("Kubernetes"));
    assert_eq!(run.pods_of(&[first, second]), [some("c-1"), some("b-1")]);
    assert!(doctor(&fake, &run).contains("API server"), "{}", doctor(&fake, &run));
    fake.world(|world| assert_eq!(world.breaches, [""; 0]));
}

fn doctor(fake: &Fake, run: &Run) -> String {
    let mut command = Command::new(binary("pidflow").unwrap());
    let output = command.args(["doctor", "--kubernetes", "api"]).args(servers(fake, run.account.path())).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn the_kubelet_comes_before_the_api_server_and_both_before_the_links() {
    if without_root("the_kubelet_comes_before_the_api_server_and_both_before_the_links") {
        return;
    }
    let fake = Fake::start("t");
    fake.world(|world| world.put(PODS, pod("a-1", NODE, "127.23.0.1", LONG_AGO)));
    let run = Run::start(&fake, "t", &["--probes", "poll"]);
    let way = |run: &Run| {
        let hooks = run.agent.get("/metrics").unwrap().body;
        let line =
            hooks.lines().find(|l| l.contains("pidflow_hook_info") && l.contains("Kubernetes pods")).map(str::to_owned);
        line.unwrap_or_default()
    };
    run.wait_readyz("the kubelet", |_| way(&run).contains("\"kubelet\""));
    assert_eq!(fake.world(|world| world.asked(PODS).len()), 0);
    // The kubelet denies access from now on.
    fake.world(|world| world.denied.insert(KUBELET));
    run.wait_readyz("the API server", |_| way(&run).contains("\"API server\""));
    // The API server too: the links to logs are left.
    fake.world(|world| world.denied.insert(PODS));
    fake.end_watches(End::Regular);
    run.wait_readyz("neither", |said| said.contains("Kubernetes pods: not seen"));
    run.wait_log(&format!("kubelet: {0}: HTTP 403 Forbidden: /pods is forbidden; API server: {0}: HTTP 403", fake.url));
    fake.world(|world| {
        world.denied.clear();
        assert_eq!(world.breaches, [""; 0]);
    });
    run.wait_readyz("the kubelet again", |said| way(&run).contains("\"kubelet\"") && !said.contains("Kubernetes"));
}
