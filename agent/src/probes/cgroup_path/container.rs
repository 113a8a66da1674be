//! Containers in the path of a control group.

use pidflow_schema::Container;

/// Runtime and id of the innermost container in a path; the runtime is empty if the path does not name it.
pub(super) fn innermost(path: &str) -> Option<(&'static str, &str)> {
    let mut above = path.rsplit('/').skip(1);
    path.rsplit('/').find_map(|name| container(name, above.next()))
}

/// The container that a group is, by its name and that of the group above it.
///
/// With the systemd driver it is `RUNTIME-ID.scope`; with the cgroupfs driver `ID` or `RUNTIME-ID`; where only one of kubelet and
/// runtime uses systemd `SLICE:RUNTIME:ID` (runc, `libcontainer/specconv/spec_linux.go`); Podman's of a unit
/// `libpod-payload-ID`.
fn container<'a>(name: &'a str, above: Option<&str>) -> Option<(&'static str, &'a str)> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = name.split_at_checked(name.len().checked_sub(Container::ID_DIGITS)?)?;
    if !Container::is_id(id) {
        return None;
    }
    if prefix.is_empty() {
        return Some((if above == Some("docker") { "docker" } else { "" }, id));
    }
    let prefix = prefix.strip_suffix(['-', ':'])?;
    let kind = prefix.rsplit(':').next().unwrap_or(prefix);
    // The monitor process (conmon) of a container of CRI-O or Podman is not in the container.
    (!kind.ends_with("conmon")).then(|| (runtime(kind), id))
}

fn runtime(kind: &str) -> &'static str {
    match kind {
        "cri-containerd" | "containerd" | "nerdctl" => "containerd",
        "crio" => "cri-o",
        "docker" => "docker",
        "libpod" | "libpod-payload" => "podman",
        _ => "",
    }
}
