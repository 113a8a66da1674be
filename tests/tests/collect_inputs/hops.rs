//! Collectors that feed each other: a record passes each of them once.

use pidflow_exporters::sample;
use pidflow_tests::collecting::{Collector, free_port};
use pidflow_tests::serving::eventually;

use crate::{LIMIT, exporter, send, wait_for};

#[test]
fn a_circle_of_collectors_passes_records_on_once() {
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_port().unwrap(), free_port().unwrap()];
    let config = |n: usize| {
        let (file, next) = (dir.path().join(n.to_string()), ports[1 - n]);
        let text = format!(
            "[collect]\njson-tcp = [\"127.0.0.1:{}\"]\n[[exporter]]\nkind = \"json\"\nurl = \"tcp://127.0.0.1:{next}\"\n\
             [[exporter]]\nkind = \"json\"\nfile = {file:?}\n",
            ports[n]
        );
        let config = dir.path().join(format!("{n}.toml"));
        std::fs::write(&config, text).unwrap();
        Collector::start(&["--config", config.to_str().unwrap()]).unwrap()
    };
    let collectors = [0, 1].map(config);
    let records = 500;
    let set = exporter(&format!("kind = \"json\"\nurl = \"tcp://127.0.0.1:{}\"\n", ports[0]));
    send(&set, &sample::records(records));
    assert_eq!(set.shutdown(LIMIT).remove(0).exported, records as u64);
    [0, 1].iter().for_each(|n| wait_for(&dir.path().join(n.to_string()), records));
    // The second one sends them back to the first one, which has seen them.
    eventually("the refusal", || Ok(collectors[0].event("looped")? == records as u64)).unwrap();
    assert_eq!(collectors[1].event("looped").unwrap(), 0);
    for (n, hops) in [(0, 1), (1, 2)] {
        let lines = std::fs::read_to_string(dir.path().join(n.to_string())).unwrap();
        assert_eq!(lines.lines().count(), records);
        let path = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["COLLECTOR_PATH"].clone();
        // Some of the made records have passed two others.
        let shortest = lines.lines().map(|line| path(line).as_str().unwrap().split(',').count()).min();
        assert_eq!(shortest, Some(hops), "{n}");
    }
    for collector in collectors {
        drop(collector.stop().unwrap());
    }
}
