//! What the agent may use.

use std::str::FromStr;

use clap::Args;
use serde::Deserialize;

use super::layers::layers;
use super::size::SIZE_UNITS;
use crate::memory::{Budget, MIN_BUDGET};
use crate::shedding::Limits;

/// CPU time and memory.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Budget")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BudgetOptions {
    /// CPU time that the agent may use, as a share of one core, such as 50%. Beyond it, it leaves out names of applications, then the
    /// usage of processes, then packets, and says so [default: no limit]
    #[arg(long = "cpu-budget", value_name = "PERCENT", env = "PIDFLOW_CPU_BUDGET")]
    pub(crate) cpu: Option<CoreShare>,
    /// Memory that the agent may use, such as 512MiB; at most the limit of its cgroup. Its tables and queues share it [default: 256MiB]
    #[arg(long = "memory-budget", value_name = "SIZE", env = "PIDFLOW_MEMORY_BUDGET")]
    pub(crate) memory: Option<Memory>,
}
layers!(BudgetOptions { options: cpu, memory; lists: });

impl BudgetOptions {
    /// The memory of tables and queues.
    pub(crate) fn memory(&self) -> Budget {
        Budget::of_run(self.memory.map(|memory| memory.0))
    }

    /// The limits beyond which things are left out.
    pub(crate) fn limits(&self) -> Limits {
        Limits { cpu: self.cpu.map(|share| f64::from(share.0) / 100.0), memory: self.memory().bytes() }
    }
}

/// A share of one core, percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct CoreShare(u32);

/// The agent cannot do anything with less, and no host has more cores, percent.
const SHARES: std::ops::RangeInclusive<u32> = 1..=100_000;

impl FromStr for CoreShare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        number.filter(|share| SHARES.contains(share)).map(Self).ok_or_else(|| {
            format!(
                "{text:?} is not a share of one core: it is written as 50%, or 200% for two cores, and is at least 1%"
            )
        })
    }
}

impl TryFrom<String> for CoreShare {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// An amount of memory, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Memory(u64);

const BINARY_UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an amount of memory: it is written as 256MiB or 1GiB");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let unit = unit.trim_start();
        let mut units = BINARY_UNITS.iter().chain(&SIZE_UNITS);
        let (_, factor) = units.find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).ok_or_else(wrong)?;
        if bytes < MIN_BUDGET {
            return Err(format!("{text:?} is too little: at least {}MiB are needed", MIN_BUDGET >> 20));
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_memory_are_read_with_their_units() {
        let share = |text: &str| text.parse::<CoreShare>().map(|share| share.0).ok();
        assert_eq!(["50%", "200 %", "1%"].map(share), [Some(50), Some(200), Some(1)]);
        assert!(["50", "0%", "-1%", "1.5%", "%", "999999%", "fifty%"].iter().all(|text| share(text).is_none()));
        let memory = |text: &str| text.parse::<Memory>().map(|memory| memory.0).ok();
        assert_eq!(
            ["256MiB", "1 GiB", "64mib", "100MB"].map(memory),
            [Some(256 << 20), Some(1 << 30), Some(64 << 20), Some(100_000_000)]
        );
        assert!(["", "256", "1MiB", "999999999999GiB", "x", "256Mi"].iter().all(|text| memory(text).is_none()));
        assert!("1MiB".parse::<Memory>().unwrap_err().contains("at least 48MiB"));
    }

    #[test]
    fn limits_follow_the_options() {
        let none = BudgetOptions::default();
        assert!(none.limits().cpu.is_none() && none.limits().memory <= 256 << 20);
        let some = BudgetOptions { cpu: Some(CoreShare(50)), memory: Some(Memory(64 << 20)) };
        assert_eq!(some.limits(), Limits { cpu: Some(0.5), memory: 64 << 20 });
    }
}
