//! Lists the eBPF programs, maps and links that are in the kernel (bpf(2)).

use std::collections::BTreeSet;
use std::fs;
use std::io;

use anyhow::{Context, Result};

/// `enum bpf_cmd` of linux/bpf.h.
const PROG_GET_NEXT_ID: libc::c_int = 11;
const MAP_GET_NEXT_ID: libc::c_int = 12;
const LINK_GET_NEXT_ID: libc::c_int = 31;

/// The start of `union bpf_attr` for the `…_GET_NEXT_ID` commands.
#[repr(C)]
#[derive(Default)]
struct NextId {
    start: u32,
    next: u32,
    flags: u32,
}

/// The ids of loaded eBPF objects. The kernel does not reuse ids before they wrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Programs.
    pub programs: BTreeSet<u32>,
    /// Links: programs attached to something.
    pub links: BTreeSet<u32>,
    /// Maps.
    pub maps: BTreeSet<u32>,
}

impl Loaded {
    /// Everything that is loaded now.
    pub fn now() -> Result<Self> {
        Ok(Self { programs: all(PROG_GET_NEXT_ID)?, links: all(LINK_GET_NEXT_ID)?, maps: all(MAP_GET_NEXT_ID)? })
    }

    /// The objects of which the process holds descriptors: all that it loaded, and nothing that others load meanwhile.
    pub fn held_by(pid: u32) -> Result<Self> {
        let mut held = Self { programs: BTreeSet::new(), links: BTreeSet::new(), maps: BTreeSet::new() };
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            // A descriptor may be closed while we look.
            let Ok(text) = fs::read_to_string(entry?.path()) else {
                continue;
            };
            for (name, value) in text.lines().filter_map(|line| line.split_once(":\t")) {
                let ids = match name {
                    "prog_id" => &mut held.programs,
                    "link_id" => &mut held.links,
                    "map_id" => &mut held.maps,
                    _ => continue,
                };
                ids.insert(value.trim().parse()?);
            }
        }
        Ok(held)
    }

    /// The objects that are in both.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self {
            programs: &self.programs & &other.programs,
            links: &self.links & &other.links,
            maps: &self.maps & &other.maps,
        }
    }

    /// True when there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.links.is_empty() && self.maps.is_empty()
    }
}

fn all(command: libc::c_int) -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    let mut last = 0;
    while let Some(next) = next(command, last).context("list what is loaded with bpf(2)")? {
        ids.insert(next);
        last = next;
    }
    Ok(ids)
}

fn next(command: libc::c_int, last: u32) -> io::Result<Option<u32>> {
    let mut attributes = NextId { start: last, ..NextId::default() };
    // SAFETY: the structure has the size that is passed and outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut attributes, size_of::<NextId>()) };
    match result {
        0 => Ok(Some(attributes.next)),
        _ if io::Error::last_os_error().kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Run time in nanoseconds and number of runs of each program that the process holds, by name; counted while
/// the kernel accounts for programs (`BPF_ENABLE_STATS`).
pub fn run_times(pid: u32) -> Result<std::collections::BTreeMap<String, (u64, u64)>> {
    let names = names()?;
    let mut times = std::collections::BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor may be closed while we look.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().parse::<u64>().ok()
        };
        let (Some(id), Some(ns), Some(runs)) = (value("prog_id"), value("run_time_ns"), value("run_cnt")) else {
            continue;
        };
        let name = names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        times.insert(name, (ns, runs));
    }
    Ok(times)
}

fn names() -> Result<std::collections::BTreeMap<u64, String>> {
    let mut names = std::collections::BTreeMap::new();
    for program in aya::programs::loaded_programs() {
        let program = program?;
        let name = program.name_as_str().unwrap_or_default();
        names.insert(u64::from(program.id()), name.to_owned());
    }
    Ok(names)
}
