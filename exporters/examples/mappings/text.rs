//! What all packs are written with.

use std::fmt::Write;

use pidflow_schema::{ELEMENTS, Element, Enterprise};

/// The first line of every file whose format has comments.
pub(crate) const GENERATED: &str =
    "Generated from pidflow's element table by `cargo run -p pidflow-exporters --example mappings`.";

/// ntop's and pidflow's own: what collectors do not know by themselves.
pub(crate) fn private() -> impl Iterator<Item = &'static Element> {
    ELEMENTS.iter().filter(|e| matches!(e.enterprise, Enterprise::Ntop | Enterprise::Pidflow))
}

pub(crate) fn pen(e: &Element) -> Option<u32> {
    e.enterprise.number(Enterprise::DEFAULT_OWN_PEN)
}

pub(crate) fn lower(e: &Element) -> String {
    e.name.to_ascii_lowercase()
}

/// Appends a line; writing to a string cannot fail.
pub(crate) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}
