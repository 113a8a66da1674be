//! Which top-level module of a crate uses which, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module to the modules that it uses, tests left out.
pub(crate) type Uses = BTreeMap<String, BTreeSet<String>>;

/// Of the crate whose sources are in `src`.
pub(crate) fn uses(src: &Path) -> Uses {
    let mut uses = Uses::new();
    for file in files(src) {
        let Some(module) = module_of(src, &file) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        uses.entry(module).or_default().extend(used_in(without_tests(&text)));
    }
    let modules: BTreeSet<_> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|other| other != module && modules.contains(other));
    }
    uses
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let found = entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] });
    found.filter(|p| p.extension().is_some_and(|e| e == "rs") && p.file_stem().is_some_and(|s| s != "tests")).collect()
}

/// The first folder or the file's name below `src`; none for the crate's root.
fn module_of(src: &Path, file: &Path) -> Option<String> {
    let first = file.strip_prefix(src).unwrap().iter().next()?.to_str()?;
    let name = first.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Names behind `crate::`, also in braces, and, in a top-level file, behind `super::`.
fn used_in(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).flat_map(|l| [l, "\n"]).collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group.split('}').next().unwrap_or_default().split(',').filter_map(first_word)),
            None => found.extend(first_word(rest)),
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// A way from a module back to itself; none: there is none.
pub(crate) fn circle(uses: &Uses) -> Option<Vec<String>> {
    uses.keys().find_map(|start| way(uses, start, start, &mut BTreeSet::new()))
}

fn way(uses: &Uses, from: &str, to: &str, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
    for next in uses.get(from)? {
        if next == to {
            return Some(vec![from.to_owned(), to.to_owned()]);
        }
        if seen.insert(next.clone())
            && let Some(mut rest) = way(uses, next, to, seen)
        {
            rest.insert(0, from.to_owned());
            return Some(rest);
        }
    }
    None
}
