//! The agent as an ordinary user with the capabilities of the unit and the chart, and a read-only root: it must say what it says
//! as root.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES`, as for `host_attribution`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pidflow_tests::records::Record;
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial::{self, Trial};

/// `nobody`.
const USER: u32 = 65534;
/// Makes everything read-only but one folder, and starts what follows as an ordinary user. What the kernel lets systemd do with
/// `User=`, `AmbientCapabilities=` and `ProtectSystem=strict`, or a container runtime with `readOnlyRootFilesystem`.
const AS_USER: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro / && cd \"$0\" && exec \"$@\"";
/// Traffic of short and long processes of several kinds.
const SCENARIOS: [&str; 4] = ["burst --count 300 --rate 200 --ports 30", "prefork", "fdpass", "udp-connected"];

fn capabilities_of_the_unit() -> Result<Vec<String>> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/pidflow.service");
    let text = std::fs::read_to_string(unit)?;
    let line = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)).map(str::to_owned).context(key.to_owned());
    let ambient = line("AmbientCapabilities=")?;
    ensure!(ambient == line("CapabilityBoundingSet=")?, "the unit gives more than it keeps");
    Ok(ambient.split(' ').map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect())
}

/// Whether this test may give the capability: a container may lack SYS_RESOURCE, which kernels since 5.11 do not ask for.
fn can_give(capability: &str) -> bool {
    let set = format!("+{capability}");
    let tried = std::process::Command::new("setpriv").arg(format!("--inh-caps={set}")).args(["--", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

fn as_user(capabilities: &[String], scenario: &str, arguments: &[&str]) -> Result<Trial> {
    let set: Vec<_> = capabilities.iter().filter(|name| can_give(name)).map(|name| format!("+{name}")).collect();
    let set = set.join(",");
    let (inheritable, ambient) = (format!("--inh-caps={set}"), format!("--ambient-caps={set}"));
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    let setpriv = ["--no-new-privs", &user, &group, "--clear-groups", &inheritable, &ambient];
    let before = ["unshare", "--mount", "sh", "-c", AS_USER, "FOLDER", "setpriv"];
    trial::observe_by(&[&before[..], &setpriv].concat(), USER, scenario, arguments)
}

/// What records say of processes: the elements, without their values, which are of other processes in each run. Candidates are left
/// out: flows of other tests on loopback have some or none, as their processes happen to come.
fn elements(records: &[Record]) -> BTreeSet<String> {
    let of_process =
        |key: &&String| (key.contains("_PROC_") || key.contains("ATTRIBUTION")) && !key.contains("_CANDIDATE_");
    records.iter().flat_map(|r| r.keys().keys().filter(of_process).cloned().collect::<Vec<_>>()).collect()
}

#[test]
fn an_ordinary_user_with_the_capabilities_of_the_unit_sees_what_root_sees() -> Result<()> {
    let name = "an_ordinary_user_with_the_capabilities_of_the_unit_sees_what_root_sees";
    if without_root(name) {
        return Ok(());
    }
    let capabilities = capabilities_of_the_unit()?;
    if !capabilities.iter().filter(|name| *name != "sys_resource").all(|name| can_give(name)) {
        skip(name, "setpriv cannot give the capabilities of the unit");
        return Ok(());
    }
    let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
    let arguments = ["-i", "lo", "--probes", &backend];
    for scenario in SCENARIOS {
        let (root, user) = (trial::observe(scenario, &arguments)?, as_user(&capabilities, scenario, &arguments)?);
        for (who, trial) in [("root", &root), ("an ordinary user", &user)] {
            ensure!(trial.outcome.passes(), "{scenario} as {who}: {}\n{}", trial.outcome, trial.ended.log);
        }
        let (root, user) = (elements(&root.ended.records), elements(&user.ended.records));
        ensure!(root == user && root.len() > 20, "{scenario}: root has {root:?}, an ordinary user {user:?}");
    }
    Ok(())
}
