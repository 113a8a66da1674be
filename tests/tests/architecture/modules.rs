//! Which top-level module of a crate uses which, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module to the modules that it uses, tests left out.
pub(crate) type Uses = BTreeMap<String, BTreeSet<String>>;

/// The uses within the crate whose sources are in `src`.
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

/// Names after `crate::`, also in braces, and, in a top-level file, after `super::`.
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

/// Every file's module, as in `capture::file::pcap`, to those of other files that its `crate::` and `super::` paths
/// name. A module may name its parents, and they may name their children: these uses do not count.
pub(crate) fn uses_of_files(src: &Path) -> Uses {
    let texts: BTreeMap<String, String> =
        files(src).iter().map(|f| (path_of(src, f), std::fs::read_to_string(f).unwrap())).collect();
    let known: BTreeSet<_> = texts.keys().filter(|path| !path.is_empty()).cloned().collect();
    let used = |(path, text): (&String, &String)| {
        let named = paths_in(without_tests(text), path).into_iter().filter_map(|to| longest_known(to, &known));
        (path.clone(), named.filter(|to| !is_around(to, path) && !is_around(path, to)).collect())
    };
    texts.iter().map(used).collect()
}

/// Empty: the crate's root.
fn path_of(src: &Path, file: &Path) -> String {
    let inner = file.strip_prefix(src).unwrap().with_extension("");
    let names = inner.iter().map(|name| name.to_str().unwrap()).filter(|name| !["mod", "lib", "main"].contains(name));
    names.collect::<Vec<_>>().join("::")
}

/// The paths in a module's text, relative to the crate's root; each name within braces gives a path of its own.
fn paths_in(text: &str, own: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).flat_map(|l| [l.trim(), " "]).collect();
    let starts = code.match_indices("crate::").chain(code.match_indices("super::"));
    let is_first = |at: usize| !code[..at].ends_with("::") && !code[..at].ends_with(|c: char| c.is_alphanumeric());
    let mut found = Vec::new();
    for (at, _) in starts.filter(|(at, _)| is_first(*at)) {
        let (mut rest, mut base) = (&code[at..], own);
        while let Some(outer) = rest.strip_prefix("super::") {
            (rest, base) = (outer, base.rsplit_once("::").map_or("", |(outer, _)| outer));
        }
        (rest, base) = rest.strip_prefix("crate::").map_or((rest, base), |inner| (inner, ""));
        let end = rest.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c)).unwrap_or(rest.len());
        let (path, behind) = rest.split_at(end);
        let group = behind.strip_prefix('{').and_then(|g| g.split('}').next()).unwrap_or_default();
        found.extend(
            group.split(',').map(|name| format!("{base}::{path}{}", name.trim()).trim_start_matches(':').to_owned()),
        );
    }
    found
}

/// The path without the names at its end that are not modules.
fn longest_known(mut path: String, known: &BTreeSet<String>) -> Option<String> {
    while !known.contains(&path) {
        path.truncate(path.rfind("::")?);
    }
    Some(path)
}

fn is_around(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || outer.is_empty() || rest.starts_with("::"))
}

/// A circle of modules that use each other, if there is one.
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
