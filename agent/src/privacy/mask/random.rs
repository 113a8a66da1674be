//! Strings that look randomly generated.
//!
//! Numbers, UUIDs, and hexadecimal strings of 32, 40 and 64 digits (machine ids, commits, containers, images) stay
//! readable, because they are common in ordinary command lines. A secret of that form is masked if a name marks it as
//! secret.

use std::ops::Range;

/// Shortest string that is measured.
pub(super) const MIN_RANDOM: usize = 20;
/// Digits of MD5 sums and machine ids, of commits, of containers and images.
const KNOWN_HEX: [usize; 3] = [32, 40, 64];

/// Random strings in a text. Names of files are passed over.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(run) = next_run(text, from) {
        from = run.end.max(from + 1);
        if run.len() >= MIN_RANDOM && !is_file_name(text, &run) {
            in_run(text, run, &mut found);
        }
    }
    found
}

/// The next run of letters, digits and `+ / - _`, with the `=` behind it.
fn next_run(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_inside = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_".contains(b);
    let start = from + bytes.get(from..)?.iter().position(is_inside)?;
    let rest = bytes.get(start..)?;
    let length = rest.iter().position(|b| !is_inside(b)).unwrap_or(rest.len());
    let padding = rest.iter().skip(length).take_while(|b| **b == b'=').count().min(2);
    Some(start..start + length + padding)
}

/// An absolute name of a file below a folder.
fn is_file_name(text: &str, run: &Range<usize>) -> bool {
    let inside = text.get(run.clone()).unwrap_or_default();
    let is_in_url = text.get(..run.start).is_some_and(|before| before.ends_with(':') && inside.starts_with("//"));
    inside.starts_with('/') && inside.matches('/').count() >= 2 && !is_in_url
}

fn in_run(text: &str, run: Range<usize>, found: &mut Vec<Range<usize>>) {
    let inside = text.get(run.clone()).unwrap_or_default();
    if is_random(inside) {
        return found.push(run);
    }
    let mut start = run.start;
    for part in inside.split('/') {
        if is_random(part) {
            found.push(start..start + part.len());
        }
        start += part.len() + 1;
    }
}

/// What the characters of a string are.
#[derive(Default)]
struct Measure {
    lower: usize,
    upper: usize,
    digits: usize,
    /// Changes between lower case, upper case and digits from one character to the next.
    changes: usize,
    /// Bits of the letters and digits that occur.
    seen: u64,
}

impl Measure {
    fn of(text: &str) -> Self {
        let mut measure = Self::default();
        let mut before = 0_u8;
        for b in text.bytes().filter(u8::is_ascii_alphanumeric) {
            let (class, count, bit) = match b {
                b'a'..=b'z' => (1, &mut measure.lower, b - b'a'),
                b'A'..=b'Z' => (2, &mut measure.upper, b - b'A' + 26),
                _ => (3, &mut measure.digits, b.saturating_sub(b'0') + 52),
            };
            *count += 1;
            measure.changes += usize::from(before != 0 && before != class);
            measure.seen |= 1 << bit;
            before = class;
        }
        measure
    }

    /// Letters and digits.
    const fn total(&self) -> usize {
        self.lower + self.upper + self.digits
    }

    /// Whether there are at least so many changes in a hundred characters.
    const fn changes_percent(&self, percent: usize) -> bool {
        self.changes * 100 >= self.total() * percent
    }

    /// Different characters; a random string of 20 has at least ten, a repeated one does not.
    const fn different(&self) -> u32 {
        self.seen.count_ones()
    }
}

/// Whether a run of letters, digits and `+ / = - _` is random: in a random one of all 62 letters and digits, class changes
/// at 61 of 100 places, in names of programs and classes at 10 to 33.
pub(super) fn is_random(run: &str) -> bool {
    if run.len() < MIN_RANDOM {
        return false;
    }
    if is_hex(run.strip_prefix("0x").unwrap_or(run)) {
        return is_random_hex(run);
    }
    if run.split('-').filter(|part| is_hex(part)).map(str::len).eq([8, 4, 4, 4, 12]) {
        return false;
    }
    let whole = Measure::of(run);
    if whole.total() < MIN_RANDOM - 4 || whole.different() < 10 {
        return false;
    }
    match (whole.lower > 0, whole.upper > 0, whole.digits > 0) {
        (true, true, true) => whole.changes_percent(34),
        (true, true, false) => whole.changes_percent(48),
        _ => parts(run).any(is_random_of_one_case),
    }
}

fn parts(run: &str) -> impl Iterator<Item = &str> {
    run.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| part.len() >= MIN_RANDOM)
}

/// Letters of one case and digits, without a separator: base 32 and base 36.
fn is_random_of_one_case(part: &str) -> bool {
    let m = Measure::of(part);
    m.digits > 0 && m.digits < m.total() && m.different() >= 10 && m.changes_percent(22) && !is_hex(part)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_random_hex(run: &str) -> bool {
    let digits = run.strip_prefix("0x").unwrap_or(run);
    let is_number = digits.bytes().all(|b| b.is_ascii_digit());
    let is_known = KNOWN_HEX.contains(&digits.len()) && digits.len() == run.len();
    digits.len() >= MIN_RANDOM && !is_number && !is_known && Measure::of(digits).different() >= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_strings() {
        for text in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "dGhpcyBpcyBhIHNlY3JldCBrZXk=",
            "Zx8-kQ2_mN4vB7yT1wR5pL9s",
            "k3j5h2k4j6h8g9f1d2s3a4p5o6",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
            "0x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        ] {
            assert!(is_random(text), "{text}");
        }
    }

    #[test]
    fn names_numbers_and_known_ids_are_not() {
        for text in [
            "3f786850e387550fdab836ed7e6dc881de23001b",
            "5d41402abc4b2a76b9719d911017c592",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "123e4567-e89b-12d3-a456-426614174000",
            "nginx-deployment-7d9f8b6c5d-x2x4z",
            "systemd-private-5d41402abc4b2a76b9719d911017c592-systemd-logind",
            "AbstractBeanFactoryConfigurationManager",
            "linux-headers-6-1-0-18-common-amd64",
            "123456789012345678901234567890",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa1B",
            "application-notification-daemon",
            "NVreg_PreserveVideoMemoryAllocations",
        ] {
            assert!(!is_random(text), "{text}");
        }
    }
}
