//! Parses the Markdown pages: code blocks, code in lines, links, headings.

use std::path::{Path, PathBuf};

/// Pages besides `docs/*.md`. `CHANGELOG.md` is left out, because it also names removed things.
const TOP: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// A Markdown page.
pub(crate) struct Page {
    /// Its path from the root of the repository.
    pub(crate) name: String,
    /// Shell blocks, with the number of their first line.
    pub(crate) shell: Vec<(usize, String)>,
    /// Code between single backticks.
    pub(crate) spans: Vec<String>,
    /// Targets of links and pictures.
    pub(crate) links: Vec<String>,
    /// Anchors of headings, as GitHub makes them.
    pub(crate) anchors: Vec<String>,
    /// Number of lines.
    pub(crate) lines: usize,
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All pages that exist.
pub(crate) fn all() -> Vec<Page> {
    let in_docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let in_docs = in_docs.map(|name| format!("docs/{}", name.to_str().unwrap())).filter(|name| name.ends_with(".md"));
    let mut names: Vec<_> = TOP.map(str::to_owned).into_iter().chain(in_docs).collect();
    names.retain(|name| root().join(name).exists());
    names.sort();
    names.into_iter().map(|name| page(name.clone(), &std::fs::read_to_string(root().join(name)).unwrap())).collect()
}

/// Parses `text`.
pub(crate) fn page(name: String, text: &str) -> Page {
    let (shell, prose) = fences(text);
    // In tables, code has a backslash before each bar.
    let spans = code(&prose).map(|span| span.replace("\\|", "|").split_whitespace().collect::<Vec<_>>().join(" "));
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(anchor);
    let (spans, anchors) = (spans.collect(), headings.collect());
    Page { name, shell, spans, links: links(&prose), anchors, lines: text.lines().count() }
}

/// Shell blocks, and what stands outside of all blocks.
fn fences(text: &str) -> (Vec<(usize, String)>, String) {
    let (mut shell, mut prose, mut open) = (Vec::new(), String::new(), None::<(usize, &str, String)>);
    for (at, line) in text.lines().enumerate() {
        match (open.take(), line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => open = Some((at + 2, language.trim(), String::new())),
            (None, None) => prose.extend([line, "\n"]),
            (Some((first, "sh" | "bash" | "shell" | "console", block)), Some(_)) => shell.push((first, block)),
            (Some(_), Some(_)) => {}
            (Some((first, language, block)), None) => open = Some((first, language, format!("{block}{line}\n"))),
        }
    }
    assert!(open.is_none(), "a code block that does not end");
    (shell, prose)
}

/// Code between backticks.
fn code(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

/// Targets of `[words](target)` and `[name]: target`.
fn links(prose: &str) -> Vec<String> {
    let words: String = prose.split('`').step_by(2).collect::<Vec<_>>().join("code");
    let inline = words.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let named = words.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    inline.chain(named.map(|(_, target)| target.trim())).map(str::to_owned).collect()
}

/// `## What it is, and is not` is reached as `#what-it-is-and-is-not`.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_page_is_taken_apart() {
    let text = "# A, b & c_d\n```sh\npidflow x\n```\n```toml\n[a](b)\n```\nSee `--one\\|two` and [the `page`](p.md#a).\n![x](y.png)\n[n]: z.md\n";
    let page = page("x".to_owned(), text);
    assert_eq!(page.shell, [(3, "pidflow x\n".to_owned())]);
    assert_eq!(page.spans, ["--one|two", "page"]);
    assert_eq!(page.links, ["p.md#a", "y.png", "z.md"]);
    assert_eq!(page.anchors, ["a-b--c_d"]);
    assert_eq!(page.lines, 10);
}
