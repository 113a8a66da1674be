//! Finds the container and the systemd units in the paths of a process's control groups (`/proc/PID/cgroup`,
//! cgroups(7)).
//!
//! A line is `HIERARCHY:CONTROLLERS:PATH`. Version 2 has one hierarchy, 0, without controllers; of version 1 each
//! controller may have one, and systemd has its own, `name=systemd`.

mod container;
mod units;

use pidflow_schema::Placement;

use units::Units;

/// At the end of a path: the group was removed while the process ended (cgroups(7)).
const REMOVED: &str = " (deleted)";
/// Systemd's own hierarchy if version 1 is in use, with or without version 2.
const SYSTEMD: &str = "name=systemd";

/// The container and units that the lines of `/proc/PID/cgroup` name.
pub(super) fn placement(lines: &str) -> Placement {
    let mut groups: Vec<(&str, &str)> = lines.lines().filter_map(group).collect();
    // Systemd and most runtimes name the groups of these two; the others follow.
    groups.sort_by_key(|(controllers, _)| match *controllers {
        SYSTEMD => 0,
        "" => 1,
        _ => 2,
    });
    let (runtime, id) = groups.iter().find_map(|(_, path)| container::innermost(path)).unwrap_or_default();
    let systemd = groups.first().filter(|(controllers, _)| matches!(*controllers, SYSTEMD | ""));
    let units = systemd.map(|(_, path)| Units::of(path)).unwrap_or_default();
    Placement {
        container_id: id.into(),
        container_runtime: runtime.into(),
        unit: units.unit.into(),
        user_unit: units.user_unit.into(),
        slice: units.slice.into(),
    }
}

/// Controllers and path of a line.
fn group(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    Some((controllers, path.strip_suffix(REMOVED).unwrap_or(path)))
}

#[cfg(test)]
mod tests;
