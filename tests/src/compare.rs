//! Compares the agent's records with the ground truth.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter, Write};
use std::net::IpAddr;

use crate::records::{Record, Side};
use crate::truth::{Exchange, Expected, TrueEnd};
use surplus::Taken;

mod surplus;

/// Tolerance of times, nanoseconds: packet times and process times are both wall time, but records round to
/// milliseconds.
const SLACK_NS: u64 = 2_000_000;
/// Number of incomplete exchanges that are shown in full.
const SHOWN: usize = 5;
/// Number of wrong exchanges that are shown in full: usually all of them.
const WRONG_SHOWN: usize = 50;
/// Number of surplus records that are shown in full: usually all of them.
const SURPLUS_SHOWN: usize = 50;
/// Keys that contain one of these are shown of a record.
const SHOWN_KEYS: [&str; 9] = [
    "IN_PKTS",
    "OUT_PKTS",
    "TCP_FLAGS",
    "PROC_PID",
    "PROC_NAME",
    "PROC_USER_NAME",
    "ATTRIBUTION",
    "FLOW_END",
    "INITIATOR",
];

/// The result for one end of one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Right,
    /// The record lacks this, or a part of it.
    Missing(String),
    /// The record says something that is not true.
    Wrong(String),
}

/// The result over all exchanges.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Exchanges in the ground truth.
    pub exchanges: usize,
    /// Exchanges right at both ends.
    pub right: usize,
    /// Exchanges without a record, or whose record is incomplete for an end.
    pub missing: usize,
    /// Those of `missing` that have no record.
    pub unrecorded: usize,
    /// Exchanges whose record says something that is not true.
    pub wrong: usize,
    /// Records of the exchanges' addresses and ports beyond one per exchange.
    pub surplus: usize,
    /// Number of ends per side, verdict and fields concerned.
    counts: HashMap<String, usize>,
    examples: Vec<String>,
}

impl Outcome {
    /// What the project promises: at least 99.9 % right at both ends, none wrong, and one record per exchange.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.exchanges > 0
            && self.wrong == 0
            && self.one_in_a_thousand(self.exchanges - self.right)
            && self.one_in_a_thousand(self.surplus)
    }

    /// True when everything is right: the requirement for scenarios of a few exchanges.
    #[must_use]
    pub const fn perfect(&self) -> bool {
        self.exchanges > 0 && self.right == self.exchanges && self.surplus == 0
    }

    const fn one_in_a_thousand(&self, count: usize) -> bool {
        count * 1000 <= self.exchanges
    }

    fn add_surplus(&mut self, records: &[&Record], taken: &[Taken<'_>]) {
        let time = taken.iter().fold((u64::MAX, 0), |t, (e, _)| (t.0.min(e.start_ns), t.1.max(e.end_ns)));
        for record in records.iter().filter(|record| overlap(record, time.0, time.1).is_some()) {
            if self.surplus < SURPLUS_SHOWN {
                self.examples.push(surplus::describe(record, taken));
            }
            self.surplus += 1;
        }
    }

    fn add(&mut self, exchange: &Exchange, record: Option<&Record>) {
        self.exchanges += 1;
        let verdicts = judge(exchange, record);
        let wrong = verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Wrong(_)));
        let right = verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Right);
        self.right += usize::from(right);
        self.wrong += usize::from(wrong);
        self.missing += usize::from(!right && !wrong);
        self.unrecorded += usize::from(record.is_none());
        for (what, verdict) in &verdicts {
            *self.counts.entry(format!("{what} {}", verdict.class())).or_default() += 1;
        }
        let others_shown = self.exchanges - self.right - self.wrong;
        if (wrong && self.wrong <= WRONG_SHOWN) || (!right && !wrong && others_shown <= SHOWN) {
            self.examples.push(example(exchange, record, &verdicts));
        }
    }
}

impl Verdict {
    fn class(&self) -> String {
        let fields =
            |text: &str| text.split(' ').filter(|part| !part.contains(['=', '<'])).collect::<Vec<_>>().join(" ");
        match self {
            Self::Right => "right".to_owned(),
            Self::Missing(what) => format!("missing {}", fields(what)),
            Self::Wrong(what) => format!("wrong {}", fields(what)),
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { exchanges, right, missing, unrecorded, wrong, surplus, .. } = self;
        writeln!(
            f,
            "{exchanges} exchanges: {right} right, {missing} missing ({unrecorded} of these without a record), {wrong} wrong; \
             {surplus} surplus records"
        )?;
        let mut counts: Vec<_> = self.counts.iter().filter(|(what, _)| !what.ends_with(" right")).collect();
        counts.sort();
        for (what, count) in counts {
            writeln!(f, "  {count:6} {what}")?;
        }
        self.examples.iter().try_for_each(|example| writeln!(f, "{example}"))
    }
}

fn example(exchange: &Exchange, record: Option<&Record>, verdicts: &[(&'static str, Verdict)]) -> String {
    let ends = [(exchange.source, exchange.source_port), (exchange.destination, exchange.destination_port)];
    let mut text = format!("- {} protocol {} {}", exchange.scenario, exchange.protocol, tuple(ends[0], ends[1]));
    for (what, verdict) in verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Right) {
        let _ = write!(text, "\n    {what}: {verdict:?}");
    }
    if let Some(record) = record {
        let _ = write!(text, "\n    {}", said(record));
    }
    text
}

fn tuple(source: (IpAddr, u16), destination: (IpAddr, u16)) -> String {
    format!("{}:{} -> {}:{}", source.0, source.1, destination.0, destination.1)
}

/// The record's fields, without those that the exchange has too.
fn said(record: &Record) -> String {
    let shown = |key: &str| SHOWN_KEYS.iter().any(|part| key.contains(part));
    let said = record.keys().iter().filter(|(key, _)| shown(key));
    said.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// A tuple without direction.
type Key = (u8, (IpAddr, u16), (IpAddr, u16));

fn key(protocol: u8, one: (IpAddr, u16), other: (IpAddr, u16)) -> Key {
    (protocol, one.min(other), one.max(other))
}

fn key_of(exchange: &Exchange) -> Key {
    key(exchange.protocol, (exchange.source, exchange.source_port), (exchange.destination, exchange.destination_port))
}

/// Finds for every exchange its record (each record belongs to one exchange only) and compares both ends.
#[must_use]
pub fn compare(truth: &[Exchange], records: &[Record]) -> Outcome {
    let mut left: HashMap<Key, Vec<&Record>> = HashMap::new();
    for record in records {
        left.entry(key(record.protocol, record.source, record.destination)).or_default().push(record);
    }
    let mut outcome = Outcome::default();
    let mut taken: HashMap<Key, Vec<Taken<'_>>> = HashMap::new();
    for exchange in truth {
        let candidates = left.entry(key_of(exchange)).or_default();
        let record = take_best(exchange, candidates);
        outcome.add(exchange, record);
        taken.entry(key_of(exchange)).or_default().push((exchange, record));
    }
    for (key, taken) in &taken {
        outcome.add_surplus(left.get(key).map_or(&[], Vec::as_slice), taken);
    }
    outcome
}

/// Takes the record whose time overlaps that of the exchange most.
fn take_best<'a>(exchange: &Exchange, candidates: &mut Vec<&'a Record>) -> Option<&'a Record> {
    let overlaps = candidates.iter().enumerate().filter_map(|(index, record)| {
        overlap(record, exchange.start_ns, exchange.end_ns).map(|overlap| (overlap, index))
    });
    let (_, index) = overlaps.max()?;
    Some(candidates.swap_remove(index))
}

fn overlap(record: &Record, start_ns: u64, end_ns: u64) -> Option<u64> {
    let first = (record.first_ms * 1_000_000).saturating_sub(SLACK_NS);
    let last = (record.last_ms + 1) * 1_000_000 + SLACK_NS;
    end_ns.min(last).checked_sub(start_ns.max(first))
}

fn judge(exchange: &Exchange, record: Option<&Record>) -> Vec<(&'static str, Verdict)> {
    let Some(record) = record else {
        return vec![("flow", Verdict::Missing("record".to_owned()))];
    };
    let turned = record.source != (exchange.source, exchange.source_port);
    // With this basis the record says no more than who sent the first packet that was captured.
    let is_sure = record.text("INITIATOR_BASIS") != Some("first-packet");
    let direction = match (turned, is_sure) {
        (false, _) => Verdict::Right,
        (true, true) => Verdict::Wrong("direction".to_owned()),
        (true, false) => Verdict::Missing("direction".to_owned()),
    };
    let side = if turned { Side::Destination } else { Side::Source };
    vec![
        ("direction", direction),
        ("source", judge_end(&exchange.source_end, record, side)),
        ("destination", judge_end(&exchange.destination_end, record, side.other())),
        ("error", judge_error(exchange.error, record.number("CONNECT_ERROR"))),
    ]
}

fn judge_error(truth: Option<i32>, said: Option<u64>) -> Verdict {
    match (truth, said) {
        (Some(error), None) => Verdict::Missing(format!("CONNECT_ERROR ={error}")),
        (truth, said) if truth.and_then(|error| u64::try_from(error).ok()) == said => Verdict::Right,
        (truth, said) => Verdict::Wrong(format!("CONNECT_ERROR ={truth:?} said={said:?}")),
    }
}

fn judge_end(expected: &Expected, record: &Record, side: Side) -> Verdict {
    let said = record.end_number(side, "PROC_PID");
    match (expected, said) {
        (Expected::Unchecked, _) | (Expected::Nobody, None) => Verdict::Right,
        (Expected::Nobody, Some(pid)) => Verdict::Wrong(format!("process pid={pid}")),
        (Expected::Process(_), None) => {
            let why = record.end_text(side, "PROC_ATTRIBUTION").unwrap_or("unsaid");
            Verdict::Missing(format!("process ({why})"))
        }
        (Expected::Process(end), Some(_)) => judge_process(end, record, side),
    }
}

fn judge_process(end: &TrueEnd, record: &Record, side: Side) -> Verdict {
    let number = |key| record.end_number(side, key).map(|number| number.to_string());
    let text = |key| record.end_text(side, key).map(str::to_owned);
    let fields = [
        ("pid", end.pid.to_string(), number("PROC_PID")),
        ("name", end.name.clone(), text("PROC_NAME")),
        ("uid", end.uid.to_string(), number("PROC_UID")),
        ("user", end.user.clone(), text("PROC_USER_NAME")),
        ("ppid", end.ppid.to_string(), number("FATHER_PROC_PID")),
        ("parent", end.parent.clone(), text("FATHER_PROC_NAME")),
    ];
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for (name, truth, said) in fields {
        match said {
            None => missing.push(name.to_owned()),
            Some(said) if said != truth => wrong.push(format!("{name} ={said}<>{truth}")),
            Some(_) => {}
        }
    }
    if wrong.is_empty() && missing.is_empty() {
        Verdict::Right
    } else if wrong.is_empty() {
        Verdict::Missing(missing.join(" "))
    } else {
        Verdict::Wrong(wrong.join(" "))
    }
}

#[cfg(test)]
mod tests;
