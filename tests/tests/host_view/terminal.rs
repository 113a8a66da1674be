//! A terminal (tmux) whose keys are pressed, and whose screen is read.

use std::process::Command;
use std::time::{Duration, Instant};

use pidflow_tests::process::binary;

/// Columns and rows of the terminals in which the view is tested.
pub(crate) const SIZES: [(usize, usize); 3] = [(120, 40), (80, 24), (60, 20)];
/// Attaching everything takes a second, or many on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A terminal with a shell.
pub(crate) struct Terminal {
    socket: String,
    size: (usize, usize),
}

impl Terminal {
    pub(crate) fn start(name: &str) -> Self {
        let socket = format!("pidflow-{name}-{}", std::process::id());
        let terminal = Self { socket, size: SIZES[0] };
        let (columns, rows) = (SIZES[0].0.to_string(), SIZES[0].1.to_string());
        let shell = "exec env -i PATH=\"$PATH\" TERM=\"$TERM\" LANG=C.UTF-8 PS1='$ ' bash --norc --noprofile";
        terminal.tmux(&["-f", "/dev/null", "-u", "new-session", "-d", "-x", &columns, "-y", &rows, shell]);
        terminal.tmux(&["set", "-g", "window-size", "manual"]);
        terminal.shows("$");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let done = Command::new("tmux").args(["-L", &self.socket]).args(arguments).output().unwrap();
        assert!(done.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Presses keys, as tmux names them.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    pub(crate) fn run(&self, line: &str) {
        self.write(line);
        self.press(&["Enter"]);
    }

    pub(crate) fn resize(&mut self, size: (usize, usize)) {
        self.size = size;
        self.tmux(&["resize-window", "-x", &size.0.to_string(), "-y", &size.1.to_string()]);
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and returns it.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "{:?} never: {what}\n{screen}", self.size);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Starts the view, and narrows it to the traffic of the port.
    pub(crate) fn start_view(&self, port: u16) {
        let program = binary("pidflow").unwrap();
        let line = format!("S=$(stty -g); {} run -i lo --listen off; E=$?; clear", program.display());
        self.run(&format!("{line}; echo ENDED $E; [ \"$S\" = \"$(stty -g)\" ] && echo RESTORED"));
        self.shows(" 1 Flows ");
        self.write("/");
        self.run(&format!("port == {port}"));
        self.until("flows of the test", |screen| {
            screen.contains(&format!("tcp:{port}")) && screen.contains("filter: ")
        });
    }

    /// The agent that runs in the terminal.
    pub(crate) fn agent(&self) -> u32 {
        let shell = self.tmux(&["display", "-p", "#{pane_pid}"]);
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.trim())).unwrap();
        children.split_whitespace().next().expect("a child of the shell").parse().unwrap()
    }

    pub(crate) fn ended(&self, status: u8) {
        self.until("the end", |screen| screen.contains(&format!("ENDED {status}\nRESTORED")));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).status();
    }
}
