//! Words beside a word like `password`, which say whether a password comes behind it.

/// Options whose value is the name of a variable, whose value is in the environment.
const VARIABLE_OPTIONS: [&str; 6] = ["-e", "--env", "--build-arg", "--secret", "-u", "--unset"];
/// Between a name and its value.
const LINKS: [&str; 8] = ["=", ":", ":=", "=>", "->", "is", "by", "BY"];
/// Words of a sentence, behind which no value comes: "password for bob".
const PARTICLES: [&str; 8] = ["for", "of", "in", "to", "from", "with", "and", "or"];
/// Programs that look for words.
const SEARCHERS: [&str; 14] = [
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "rg",
    "ag",
    "ack",
    "find",
    "locate",
    "man",
    "apropos",
    "journalctl",
    "--grep",
    "pkill",
];

/// Between a name and its value.
pub(super) fn is_link(word: &str) -> bool {
    LINKS.contains(&word)
}

/// Makes a sentence of it.
pub(super) fn is_particle(word: &str) -> bool {
    PARTICLES.contains(&word)
}

/// Whether the name stands for nothing but itself: as that of a variable of the environment, or as what is looked for.
pub(super) fn leave_it_alone(before: &str, all: &[&str]) -> bool {
    let searches = |word: &&str| SEARCHERS.contains(&word.rsplit('/').next().unwrap_or(word));
    VARIABLE_OPTIONS.contains(&before) || all.iter().any(searches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_for_a_word_has_no_password_behind_it() {
        assert!(leave_it_alone("-i", &["/bin/grep", "-i", "password", "f"]));
        assert!(leave_it_alone("-e", &["docker", "run", "-e", "DB_PASSWORD", "app"]));
        assert!(!leave_it_alone("-x", &["set", "-x", "DB_PASSWORD", "x"]));
        assert!(is_link("=>") && is_particle("for") && !is_particle("hunter2"));
    }
}
