//! The live view of `pidflow run` on a real terminal (tmux): every tab, column, filter and drill-down at three sizes, with
//! real traffic and hostile names; and the terminal as it was before, however the view ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

mod same_answers;
mod terminal;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_tests::process::{Guarded, binary};
use pidflow_tests::skip;

use terminal::{SIZES, Terminal};

/// Name of a process that would clear the screen and set its title, if it reached the terminal as it is.
const HOSTILE_NAME: &str = r"\033[2J\033]0;x\007";

/// Connections to a port of this process, from this process and from one with a hostile name.
struct Traffic {
    port: u16,
    _hostile: Guarded,
}

fn traffic() -> Traffic {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).collect::<Vec<_>>());
    std::thread::spawn(move || {
        let mut streams: Vec<_> = (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        loop {
            streams.iter_mut().for_each(|stream| drop(stream.write_all(&[0; 5000])));
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; while echo x >&3; do read -t 0.5; done");
    let script = format!("printf '{HOSTILE_NAME}' >/proc/$$/comm; {connect}");
    let child = Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    Traffic { port, _hostile: Guarded::new(child) }
}

/// Name of a tab, and the titles of its first and last column.
const TABS: [(&str, &str, &str); 5] = [
    ("1", "SOURCE", "RATE"),
    ("2", "PROCESS", "RATE"),
    ("3", "SOURCE", "RATE"),
    ("4", "HOST", "RATE"),
    ("5", "USER", "RATE"),
];

fn unable() -> bool {
    if skip::without_root("view") {
        return true;
    }
    let has_tmux = Command::new("tmux").arg("-V").output().is_ok_and(|done| done.status.success());
    if !has_tmux {
        skip::skip("view", "needs tmux");
    }
    !has_tmux
}

/// The screen is whole: the lines above the list are where they belong.
fn is_whole(screen: &str) -> bool {
    let mut lines = screen.lines();
    lines.next().is_some_and(|first| first.starts_with("pidflow 0:"))
        && lines.nth(2).is_some_and(|tabs| tabs.starts_with(" 1 Flows   2 Processes   3 Pairs   4 Hosts   5 Users"))
}

#[test]
fn every_tab_sort_filter_and_drill_down_at_three_sizes() {
    if unable() {
        return;
    }
    let traffic = traffic();
    let mut terminal = Terminal::start("tabs");
    terminal.start_view(traffic.port);
    // Keys that are pressed before a list is there would select something else.
    terminal.until("all flows", |screen| screen.contains("?[2J?]0;x?"));
    for size in SIZES {
        terminal.resize(size);
        for (key, first, last) in TABS {
            terminal.press(&[key]);
            let heading = |screen: &str| screen.lines().nth(4).is_some_and(|line| line.starts_with(first));
            terminal
                .until(key, |screen| is_whole(screen) && heading(screen) && screen.contains(&format!("by {last} ▼")));
            terminal.press(&["Right"]);
            terminal.shows(&format!("by {first} ▲"));
            terminal.press(&["r"]);
            terminal.shows(&format!("by {first} ▼"));
            terminal.press(&["Left"]);
            terminal.shows(&format!("by {last} ▼"));
        }
        drill_down(&terminal, traffic.port);
        wrong_filter(&terminal);
        terminal.press(&["?"]);
        let help = terminal.shows("Keys; any key closes this");
        assert!(help.contains("q Ctrl-C"), "{help}");
        terminal.press(&["x", "Space"]);
        terminal.shows("HELD");
        terminal.press(&["Space"]);
        terminal.until("going on", |screen| !screen.contains("HELD") && is_whole(screen));
    }
    terminal.press(&["q"]);
    terminal.ended(0);
}

/// From the tree of processes into one, its peers, one of its flows, and back; from a host to its flows.
fn drill_down(terminal: &Terminal, port: u16) {
    terminal.press(&["2"]);
    let own = std::process::id();
    let tree = terminal.shows(&format!(" {own} "));
    let place = |line: &str| line.find(|c: char| !c.is_whitespace()).unwrap_or_default();
    let row = tree.lines().find(|line| line.contains(&format!(" {own} "))).unwrap();
    assert!(place(row) > 0, "below its parent: {tree}");
    terminal.press(&["t", "g"]);
    terminal.until("flat", |screen| screen.lines().nth(5).is_some_and(|line| line.contains(&format!(" {own} "))));
    terminal.press(&["Enter"]);
    let process = terminal.until("the process", |screen| screen.contains("bytes/s") && screen.contains("SOURCE"));
    for part in [&format!("({own}), started"), "user        root", "parents     ", "tcp:"] {
        assert!(process.contains(part), "{part}: {process}");
    }
    terminal.press(&["Tab"]);
    terminal.until("peers", |screen| screen.contains("host_view") && !screen.contains("STATE"));
    terminal.press(&["Tab", "Enter"]);
    let flow = terminal.shows("found by");
    assert!(flow.contains("flow        tcp:") && flow.contains("127.0.0.1:"), "{flow}");
    terminal.press(&["Escape"]);
    terminal.shows(", started");
    terminal.press(&["Escape"]);
    terminal.until("the list", |screen| !screen.contains(", started"));
    terminal.press(&["t", "4"]);
    terminal.until("hosts", |screen| screen.contains("127.0.0.1"));
    terminal.press(&["Enter"]);
    terminal.shows("filter: address == \"127.0.0.1\"");
    terminal.press(&["/", "C-u"]);
    terminal.run(&format!("port == {port}"));
    terminal.shows(&format!("filter: port == {port}"));
}

fn wrong_filter(terminal: &Terminal) {
    terminal.press(&["/", "C-u"]);
    terminal.run("prt == 1");
    let screen = terminal.shows("unknown name prt");
    assert!(is_whole(&screen), "{screen}");
    terminal.press(&["Escape"]);
    terminal.until("the old filter", |screen| screen.contains("filter: port == ") && !screen.contains("unknown"));
}

#[test]
fn the_terminal_is_restored_however_the_view_ends() {
    if unable() {
        return;
    }
    let traffic = traffic();
    let terminal = Terminal::start("ends");
    terminal.run("set -m; stty tostop");
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        terminal.start_view(traffic.port);
        pidflow_tests::sys::signal(terminal.agent(), signal).unwrap();
        terminal.ended(0);
        terminal.run("clear");
        terminal.until("a clear screen", |screen| !screen.contains("ENDED"));
    }
    terminal.start_view(traffic.port);
    terminal.press(&["C-z"]);
    // 128 and the number of SIGSTOP.
    terminal.ended(147);
    terminal.run("echo $((6 * 7))");
    terminal.until("the shell has the terminal", |screen| screen.lines().any(|line| line == "42"));
    terminal.run("fg; E=$?; clear; echo ENDED $E; [ \"$S\" = \"$(stty -g)\" ] && echo RESTORED");
    terminal.until("the view is back", is_whole);
    terminal.press(&["3"]);
    terminal.until("its keys work", |screen| screen.lines().nth(4).is_some_and(|line| !line.contains("STATE")));
    terminal.press(&["C-c"]);
    terminal.ended(0);
}

#[test]
fn plain_and_pipes_write_lines_as_without_a_terminal() {
    if unable() {
        return;
    }
    let terminal = Terminal::start("plain");
    let program = binary("pidflow").unwrap();
    terminal.run(&format!("{} run -i lo --listen off --view plain; echo ENDED $?", program.display()));
    terminal.shows(" INFO ready: ");
    pidflow_tests::sys::signal(terminal.agent(), libc::SIGTERM).unwrap();
    let screen = terminal.shows("ENDED 0");
    assert!(screen.contains("dropped by the kernel: 0 packets") && !screen.contains("1 Flows"), "{screen}");
    terminal.run("clear");
    terminal.until("a clear screen", |screen| !screen.contains("ENDED"));
    terminal.run(&format!("{} run -i lo --listen off | cat; echo ENDED", program.display()));
    terminal.shows(" INFO ready: ");
    assert!(!terminal.screen().contains("1 Flows"));
    terminal.press(&["C-c"]);
    terminal.shows("dropped by the kernel");
}
