//! Names of programs without their folder and ending.

/// Endings of names, in lower case, that say nothing about the program.
const ENDINGS: [&str; 6] = [".exe", ".real", ".bin", ".py", ".pl", ".sh"];

/// The name of a program without its folder and its ending.
pub(super) fn plain_name(argument: &str) -> &str {
    without_ending(argument.rsplit('/').next().unwrap_or(argument))
}

/// The name without an ending that says nothing about the program.
pub(super) fn without_ending(name: &str) -> &str {
    let start = |end: &&str| name.len().checked_sub(end.len()).filter(|start| *start > 0);
    let is_ending = |end: &&str| {
        let last = start(end).and_then(|start| name.get(start..));
        last.is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    let ending = ENDINGS.iter().find(|end| is_ending(end));
    ending.and_then(|end| name.get(..start(end)?)).unwrap_or(name)
}
