use super::placement;

const A: &str = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const B: &str = "99f3a16ea25b7724cb56a4f0c0df1113ad9474fbf5545bead97fd5c7f61c13f4";
const USER: &str = "/user.slice/user-1000.slice/user@1000.service";
const POD: &str =
    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-poddd1bf9d1_241d_47f5_8e25_12de83135812.slice";
const POD_SLICE: &str = "kubepods-besteffort-poddd1bf9d1_241d_47f5_8e25_12de83135812.slice";

/// Path, runtime, container, unit, user unit, slice. `A`, `B`, `USER` and `POD` in a path stand for the constants.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

fn named(text: &str) -> String {
    text.replace("{A}", A).replace("{B}", B).replace("{USER}", USER).replace("{POD}", POD)
}

fn check(lines: &str, (path, runtime, id, unit, user_unit, slice): Case) {
    let p = placement(&named(lines));
    let found = [&p.container_runtime, &p.container_id, &p.unit, &p.user_unit, &p.slice].map(|t| t.to_string());
    assert_eq!(found, [runtime, id, unit, user_unit, slice].map(named), "{path}");
}

/// From the documentation and tests of the runtimes, and from reports of their users.
const CONTAINERS: &[Case] = &[
    // containerd by Kubernetes: systemd driver, cgroupfs driver, and only the kubelet with systemd.
    ("{POD}/cri-containerd-{A}.scope", "containerd", A, "cri-containerd-{A}.scope", "", POD_SLICE),
    ("/kubepods/besteffort/pod74ba62da-1a3d-11e7-bb11-080027cb0e22/{A}", "", A, "", "", ""),
    ("/kubepods/besteffort/podf8a694f2-7c08-11e9-98da-000c29077430/{A}/kube-proxy", "", A, "", "", ""),
    (
        "/system.slice/containerd.service/kubepods-besteffort-pod214f3ba8_4b69.slice:cri-containerd:{A}",
        "containerd",
        A,
        "containerd.service",
        "",
        "system.slice",
    ),
    ("/kubepods-besteffort-pod72f7f152_440c.slice:cri-containerd:{A}", "containerd", A, "", "", ""),
    // containerd by nerdctl: systemd, cgroupfs, rootless.
    ("/system.slice/nerdctl-{A}.scope", "containerd", A, "nerdctl-{A}.scope", "", "system.slice"),
    ("/default/{A}", "", A, "", "", ""),
    (
        "{USER}/user.slice/nerdctl-{A}.scope",
        "containerd",
        A,
        "user@1000.service",
        "nerdctl-{A}.scope",
        "user-1000.slice",
    ),
    // CRI-O; conmon watches over a container from outside.
    ("{POD}/crio-{A}.scope", "cri-o", A, "crio-{A}.scope", "", POD_SLICE),
    ("{POD}/crio-{A}.scope/container", "cri-o", A, "crio-{A}.scope", "", POD_SLICE),
    ("/kubepods/burstable/pod2c48913c-b29f-11e7-9350-020968147796/crio-{A}", "cri-o", A, "", "", ""),
    ("{POD}/crio-conmon-{A}.scope", "", "", "crio-conmon-{A}.scope", "", POD_SLICE),
    // Docker: systemd, cgroupfs, of old Debian, by Kubernetes, rootless.
    ("/system.slice/docker-{A}.scope", "docker", A, "docker-{A}.scope", "", "system.slice"),
    ("/docker/{A}", "docker", A, "", "", ""),
    ("/{A}", "", A, "", "", ""),
    ("{POD}/docker-{A}.scope", "docker", A, "docker-{A}.scope", "", POD_SLICE),
    ("/system.slice/system.slice:docker:{A}", "docker", A, "", "", ""),
    ("{USER}/user.slice/docker-{A}.scope", "docker", A, "user@1000.service", "docker-{A}.scope", "user-1000.slice"),
    ("/ecs/haissam-ecs-classic/5a0d5ceddf6c44c1928d367a815d890f/{A}", "", A, "", "", ""),
    // Podman: systemd, cgroupfs, in a pod, rootless, of a unit (Quadlet); its monitor is not in it.
    ("/machine.slice/libpod-{A}.scope", "podman", A, "libpod-{A}.scope", "", "machine.slice"),
    ("/machine.slice/libpod-{A}.scope/container", "podman", A, "libpod-{A}.scope", "", "machine.slice"),
    ("/libpod_parent/libpod-{A}", "podman", A, "", "", ""),
    (
        "/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope",
        "podman",
        A,
        "libpod-{A}.scope",
        "",
        "machine-libpod_pod_{B}.slice",
    ),
    (
        "/machine.slice/machine-libpod_pod_{B}.slice/libpod-conmon-{A}.scope",
        "",
        "",
        "libpod-conmon-{A}.scope",
        "",
        "machine-libpod_pod_{B}.slice",
    ),
    (
        "{USER}/user.slice/libpod-{A}.scope/container",
        "podman",
        A,
        "user@1000.service",
        "libpod-{A}.scope",
        "user-1000.slice",
    ),
    ("/system.slice/nginx.service/libpod-payload-{A}", "podman", A, "nginx.service", "", "system.slice"),
    (
        "{USER}/app.slice/redis.service/libpod-payload-{A}",
        "podman",
        A,
        "user@1000.service",
        "redis.service",
        "user-1000.slice",
    ),
    ("{USER}/app.slice/redis.service/runtime", "", "", "user@1000.service", "redis.service", "user-1000.slice"),
    // Nested: a container counts, the innermost; the unit is the host's.
    (
        "/system.slice/docker-{A}.scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{B}.scope",
        "containerd",
        B,
        "docker-{A}.scope",
        "",
        "system.slice",
    ),
    ("/docker/{A}/docker/{B}", "docker", B, "", "", ""),
    ("/docker/{A}/kubelet/kubepods/besteffort/poda1/{B}", "", B, "", "", ""),
    ("/machine.slice/libpod-{A}.scope/system.slice/sshd.service", "podman", A, "libpod-{A}.scope", "", "machine.slice"),
    (
        "/system.slice/docker-{A}.scope/machine.slice/libpod-conmon-{B}.scope",
        "docker",
        A,
        "docker-{A}.scope",
        "",
        "system.slice",
    ),
    // A runtime that is not known, and one whose agent is in a cgroup namespace of its own.
    ("/system.slice/newrt-{A}.scope", "", A, "newrt-{A}.scope", "", "system.slice"),
    ("/../crio-{A}.scope", "cri-o", A, "crio-{A}.scope", "", ""),
    ("/../../pod2c48913c-b29f-11e7-9350-020968147796/{A}", "", A, "", "", ""),
    (
        "/../../../kubepods-besteffort.slice/cri-containerd-{A}.scope",
        "containerd",
        A,
        "cri-containerd-{A}.scope",
        "",
        "kubepods-besteffort.slice",
    ),
];

/// Systemd's own tests have some of them.
const UNITS: &[Case] = &[
    ("/init.scope", "", "", "init.scope", "", "-.slice"),
    ("/../init.scope", "", "", "init.scope", "", ""),
    ("/system.slice/ssh.service", "", "", "ssh.service", "", "system.slice"),
    ("/system.slice/foobar.service/sdfdsaf", "", "", "foobar.service", "", "system.slice"),
    ("/system.slice/system-getty.slice/getty@tty1.service", "", "", "getty@tty1.service", "", "system-getty.slice"),
    (
        r"/system.slice/system-serial\x2dgetty.slice/serial-getty@ttyS0.service",
        "",
        "",
        "serial-getty@ttyS0.service",
        "",
        r"system-serial\x2dgetty.slice",
    ),
    (
        r"/system.slice/system-backup.slice/backup@srv-data\x2dold.service",
        "",
        "",
        r"backup@srv-data\x2dold.service",
        "",
        "system-backup.slice",
    ),
    ("/system.slice/system-waldo.slice/_cpu.service/sdfdsaf", "", "", "cpu.service", "", "system-waldo.slice"),
    ("/system.slice/dev-hugepages.mount", "", "", "dev-hugepages.mount", "", "system.slice"),
    ("/user.slice/user-1000.slice/session-3.scope", "", "", "session-3.scope", "", "user-1000.slice"),
    ("{USER}/init.scope", "", "", "user@1000.service", "init.scope", "user-1000.slice"),
    ("{USER}/server.service", "", "", "user@1000.service", "server.service", "user-1000.slice"),
    (
        "{USER}/app.slice/app-org.gnome.Terminal.slice/vte-spawn-0f7c.scope",
        "",
        "",
        "user@1000.service",
        "vte-spawn-0f7c.scope",
        "user-1000.slice",
    ),
    (
        r"{USER}/app.slice/app-gnome-firefox\x2desr-1234.scope",
        "",
        "",
        "user@1000.service",
        r"app-gnome-firefox\x2desr-1234.scope",
        "user-1000.slice",
    ),
    (
        "/capsule.slice/capsule@work.service/app.slice/db.service",
        "",
        "",
        "capsule@work.service",
        "db.service",
        "capsule.slice",
    ),
    (r"/machine.slice/machine-qemu\x2d1\x2dvm.scope", "", "", r"machine-qemu\x2d1\x2dvm.scope", "", "machine.slice"),
    ("/machine.slice/systemd-nspawn@web.service/payload", "", "", "systemd-nspawn@web.service", "", "machine.slice"),
    // None of systemd's.
    ("/", "", "", "", "", ""),
    ("/sadfdsafsda", "", "", "", "", ""),
    ("/system.slice/getty####@tty6.service/xxx", "", "", "", "", ""),
    ("/system.slice/getty@.service/tty5", "", "", "", "", ""),
    ("/user.slice/user-1000.slice/user@.service/server.service", "", "", "", "", ""),
    ("/user/1000.user/c2.session", "", "", "", "", ""),
    ("/-foo.slice/a.service", "", "", "", "", ""),
    ("/system.slice/user@nobody.service/app.slice/a.service", "", "", "user@nobody.service", "", "system.slice"),
    ("/system.slice/tätü.service", "", "", "", "", ""),
];

/// As both versions of cgroups show it, alone and together.
#[test]
fn the_container_and_units_of_a_path() {
    for case in CONTAINERS.iter().chain(UNITS) {
        let path = case.0;
        check(&format!("0::{path}\n"), *case);
        check(&format!("0::{path} (deleted)\n"), *case);
        check(&format!("12:pids:{path}\n11:cpu,cpuacct:{path}\n1:name=systemd:{path}\n"), *case);
        check(&format!("12:pids:/user.slice\n1:name=systemd:{path}\n0::{path}\n"), *case);
    }
}

/// The hierarchies of version 1 may differ.
#[test]
fn each_hierarchy_is_asked_for_a_container_and_systemds_for_units() {
    let in_v1 = ("v1 alone", "docker", A, "", "", "");
    check("9:memory:/docker/{A}\n8:cpu:/\n1:name=systemd:/\n0::/\n", in_v1);
    check("9:memory:/docker/{A}\n8:cpu:/\n", in_v1);
    check("9:memory:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/system.slice/docker.service\n", in_v1);
    check("2:cpu:/system.slice/cron.service\n", ("a controller's path is none of systemd's", "", "", "", "", ""));
}

#[test]
fn what_looks_like_a_container_and_is_none() {
    let short = &A[1..];
    for name in [
        format!("docker-{short}.scope"),
        format!("docker-{}.scope", A.to_uppercase()),
        format!("docker{A}.scope"),
        format!("var-lib-docker-overlay2-{A}-merged.mount"),
        format!("machine-libpod_pod_{A}.slice"),
        format!("conmon-{A}"),
    ] {
        assert_eq!(&*placement(&format!("0::/system.slice/{name}\n")).container_id, "", "{name}");
    }
}

#[test]
fn any_text_is_taken() {
    for text in [
        "",
        "\n",
        ":",
        "::",
        "0::",
        "0:x",
        "0::\u{fffd}/\u{fffd}",
        "0::////",
        "0::/../..",
        "0::_/_",
        "0::/@.service",
        "0::/.service",
    ] {
        let p = placement(text);
        assert!(p.unit.is_empty() && p.container_id.is_empty(), "{text:?}: {p:?}");
    }
    assert_eq!(&*placement(&format!("0::/{}.service", "a".repeat(400))).unit, "", "longer than a name of a unit");
    assert_eq!(&*placement(&format!("0::/é{}", &A[1..])).container_id, "", "a character on the boundary");
}
