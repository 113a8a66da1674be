//! `exporters/mappings/` is what the element table says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a failure is a panic")]

#[path = "../examples/mappings/glued.rs"]
mod glued;
#[path = "../examples/mappings/lua.rs"]
mod lua;
#[path = "../examples/mappings/netobserv.rs"]
mod netobserv;
#[path = "../examples/mappings/packs.rs"]
mod packs;
#[path = "../examples/mappings/stores.rs"]
mod stores;
#[path = "../examples/mappings/text.rs"]
mod text;

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_files_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let there: BTreeSet<_> =
        std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    let wanted: BTreeSet<_> = packs::all().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(there, wanted);
    for (name, text) in packs::all() {
        let found = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(found == text, "{name} is stale: run `cargo run -p pidflow-exporters --example mappings`");
    }
}

#[test]
fn json_is_json_and_every_private_element_is_in_every_file() {
    // What is glued needs only some elements.
    for (name, text) in packs::all().into_iter().filter(|(name, _)| *name != "clickhouse-glued.sql") {
        if name.ends_with(".json") {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
        for e in text::private().filter(|e| !name.contains("netflow9") || e.v9.is_some()) {
            assert!(text.to_lowercase().contains(&text::lower(e)), "{} is not in {name}", e.name);
        }
    }
}
