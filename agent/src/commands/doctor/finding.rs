//! One finding of the report, and how findings are printed.

use crate::failure::one_line;
use crate::figures::wrapped;
use crate::printable::{clean_line, width};

/// What a finding means for `pidflow run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// It works, but some data is missing.
    Partial,
    /// It will not work.
    Fails,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Partial => "partial",
            Self::Fails => "FAILS",
        }
    }
}

/// One line of the report, with details below it.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    what: String,
    found: String,
    below: Vec<(&'static str, String)>,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, what: &str, found: &str) -> Self {
        Self { verdict, what: clean_line(what), found: one_line(found), below: Vec::new() }
    }

    /// Adds a line of detail, unless the text is empty.
    pub(super) fn with(mut self, label: &'static str, text: &str) -> Self {
        if !text.is_empty() {
            self.below.push((label, one_line(text)));
        }
        self
    }
}

/// Width of the first two columns: verdict and name.
const INDENT: usize = 32;

/// The report, readable at 80 columns.
pub(super) fn render(sections: &[(&str, Vec<Finding>)]) -> String {
    let section = |(title, findings): &(&str, Vec<Finding>)| {
        format!("{title}\n{}", findings.iter().map(lines).collect::<String>())
    };
    sections.iter().map(section).collect::<Vec<_>>().join("\n")
}

fn lines(f: &Finding) -> String {
    let head = format!("  {:<7} {:<21} ", f.verdict.word(), f.what);
    // A long name gets a line of its own.
    let head = if width(&head) > INDENT { format!("{}\n{}", head.trim_end(), " ".repeat(INDENT)) } else { head };
    let found = wrapped(&f.found, &" ".repeat(INDENT));
    let below = f.below.iter().map(|(label, text)| wrapped(&format!("{label}: {text}"), &" ".repeat(INDENT + 2)));
    [head, found.trim_start().to_owned()].into_iter().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_eighty_columns() {
        let long = "a reason that goes on and on ".repeat(9);
        let finding = Finding::new(Verdict::Partial, "TCP connect", &long).with("missing", &long).with("reason", "");
        let text = render(&[("Hooks", vec![finding])]);
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        assert!(
            text.contains("  partial TCP connect           a reason")
                && text.contains("missing: a reason")
                && !text.contains("reason:")
        );
    }
}
