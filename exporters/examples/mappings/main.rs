//! Writes `exporters/mappings/`: `cargo run -p pidflow-exporters --example mappings`.

mod glued;
mod lua;
mod netobserv;
mod packs;
mod stores;
mod text;

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in packs::all() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
