//! Pods as a node's container runtime and kubelet make them: a network namespace, a cgroup named after the container, and a link to
//! its log, whose name tells the pod.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::namespace::Namespace;
use pidflow_tests::records::{Record, Side};

/// What `container` of a pod is called.
const CONTAINER: &str = "main";
const NAMESPACE: &str = "shop";
/// Enters the cgroup, then executes a program, as a container's runtime does. That program is a shell, which executes the test's one two
/// seconds later: the process must live until the agent has read its container from /proc after an exec. Its children would inherit it.
const ENTER: &str = "echo $$ > \"$0/cgroup.procs\" && exec sh -c 'sleep 2; exec \"$0\" \"$@\"' \"$@\"";

/// A pod with one container.
pub(super) struct Pod {
    pub(super) namespace: Namespace,
    name: String,
    container: String,
    cgroup: Cgroup,
}

impl Pod {
    /// `number` is unique among the pods of all nodes.
    pub(super) fn new(number: u8) -> Result<Self> {
        let container = format!("{:08x}{number:02x}", std::process::id()).repeat(7)[..64].to_owned();
        let cgroup = Cgroup::new(&format!("cri-containerd-{container}.scope"))?;
        Ok(Self { namespace: Namespace::new()?, name: format!("web-{number}"), container, cgroup })
    }

    /// A command that runs in the pod, as a process of that number from the start.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = self.namespace.command("sh");
        command.args(["-c", ENTER]).arg(self.cgroup.path()).arg(program);
        command
    }

    /// Creates the link to the container's log.
    pub(super) fn link_log(&self, logs: &Path) -> Result<()> {
        let link = format!("{}_{NAMESPACE}_{CONTAINER}-{}.log", self.name, self.container);
        std::os::unix::fs::symlink("/nowhere", logs.join(link)).context("link to a log")
    }
}

/// Checks container and pod of an end. `pod`: the one in which its process runs; none: it is in no pod. `is_here`: whether the pod is of
/// the record's node, whose agent alone knows it.
pub(super) fn check(record: &Record, side: Side, pod: Option<&Pod>, is_here: bool) -> Result<()> {
    let text = |key| record.end_text(side, key);
    let found = ["PROC_CONTAINER_ID", "K8S_NAMESPACE", "K8S_POD", "K8S_CONTAINER"].map(text);
    let expected = match pod {
        Some(pod) if is_here => [Some(&*pod.container), Some(NAMESPACE), Some(&*pod.name), Some(CONTAINER)],
        // All nodes of the test have one kernel, so the container of a process of the other node may be known.
        Some(pod) => [found[0].filter(|id| *id == pod.container), None, None, None],
        None => [None; 4],
    };
    ensure!(found == expected, "{side:?}: {found:?}, not {expected:?}");
    Ok(())
}

/// The folder of links to the logs of a node's containers.
pub(super) fn logs_of(pods: &[Pod], folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder)?;
    pods.iter().try_for_each(|pod| pod.link_log(&folder))?;
    Ok(folder)
}
