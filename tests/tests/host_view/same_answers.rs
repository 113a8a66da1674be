//! One expression selects the same records for an exporter, HTTP, the history and the view.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use pidflow_tests::process::binary;
use pidflow_tests::serving::eventually;
use serde_json::Value;

use crate::terminal::Terminal;

/// Connections; those with an odd number are made by bash, the others by this process.
const COUNT: usize = 8;
/// Bytes that a connection carries, times its number.
const STEP: usize = 2000;

/// An expression, and the numbers of the connections that it selects.
struct Question {
    expression: String,
    selects: Vec<usize>,
}

fn questions(ports: &[u16]) -> Vec<Question> {
    let own = format!("dst.port in [{}]", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "));
    let port = |n: usize| ports[n];
    let question =
        |more: String, selects: &[usize]| Question { expression: format!("{own}{more}"), selects: selects.to_vec() };
    vec![
        question(String::new(), &[0, 1, 2, 3, 4, 5, 6, 7]),
        question(" && src.process == \"bash\"".into(), &[1, 3, 5, 7]),
        question(format!(" && IN_BYTES > {}", 5 * STEP), &[5, 6, 7]),
        question(format!(" && (port == {} || src.pid == {})", port(3), std::process::id()), &[0, 2, 3, 4, 6]),
        question(format!(" && !(process == \"bash\") && user == \"root\" && port != {}", port(4)), &[0, 2, 6]),
        question(" && cidr(\"127.0.0.0/8\").containsIP(dst.address) && bytes / packets > 100000".into(), &[]),
        question(" && src.pod == null && has(src.user) && SRC_PROC_NAME.matches(\"^b.s.$\")".into(), &[1, 3, 5, 7]),
    ]
}

/// A server that reads everything.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let read = |mut stream: TcpStream| drop(stream.read_to_end(&mut Vec::new()));
    std::thread::spawn(move || listener.incoming().flatten().for_each(read));
    port
}

fn connect(number: usize, port: u16) {
    let bytes = STEP * number + 1;
    if number.is_multiple_of(2) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Write::write_all(&mut stream, &vec![b'x'; bytes]).unwrap();
    } else {
        let script = format!("printf %{bytes}s x >/dev/tcp/127.0.0.1/{port}");
        assert!(Command::new("bash").args(["-c", &script]).status().unwrap().success());
    }
}

/// The settings: the history, and an exporter for each question.
fn settings(dir: &Path, questions: &[Question]) -> String {
    let exporter = |(n, question): (usize, &Question)| {
        let file = dir.join(format!("{n}.json"));
        format!("[[exporter]]\nkind = \"json\"\nfile = {file:?}\nfilter = '{}'\n", question.expression)
    };
    let exporters: String = questions.iter().enumerate().map(exporter).collect();
    format!("[history]\nfolder = {:?}\n{exporters}", dir.join("history"))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ports_of(records: &[Value]) -> BTreeSet<u16> {
    let port = |record: &Value| u16::try_from(record["L4_DST_PORT"].as_u64().unwrap()).unwrap();
    records.iter().map(port).collect()
}

/// The records that `/api/flows` selects.
fn of_http(port: u16, expression: &str) -> Vec<Value> {
    let url = format!("http://127.0.0.1:{port}/api/flows");
    let filter = format!("filter={expression}");
    let asked =
        Command::new("curl").args(["--silent", "--show-error", "--get", "--data-urlencode", &filter, &url]).output();
    let page: Value = serde_json::from_slice(&asked.unwrap().stdout).unwrap();
    page["flows"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

/// The records that `pidflow query` selects.
fn of_history(dir: &Path, expression: &str) -> Vec<Value> {
    let mut query = Command::new(binary("pidflow").unwrap());
    let done = query.args(["query", "--json", "--history"]).arg(dir.join("history")).arg(expression).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    lines(&String::from_utf8(done.stdout).unwrap())
}

/// Whether the view shows the flows to these ports, and no others. A long filter is shown without its middle.
fn shows(screen: &str, question: &Question, ports: &[u16]) -> bool {
    let expression = &question.expression;
    let is_filtered = screen.lines().filter_map(|line| line.split_once("filter: ")).any(|(_, shown)| {
        let shown = shown.trim_end();
        let (begin, end) = shown.split_once('…').unwrap_or((shown, ""));
        expression.starts_with(begin) && expression.ends_with(end) && begin.len() + end.len() > 40
    });
    let is_shown = |n: &usize| screen.contains(&format!("tcp:{}", ports[*n]));
    is_filtered && (0..ports.len()).filter(is_shown).eq(question.selects.iter().copied())
}

#[test]
fn the_same_expression_selects_the_same_records_everywhere() {
    if crate::unable() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..COUNT).map(|_| server()).collect();
    let questions = questions(&ports);
    let config = dir.path().join("pidflow.toml");
    std::fs::write(&config, settings(dir.path(), &questions)).unwrap();
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let terminal = Terminal::start("same");
    let program = binary("pidflow").unwrap();
    let line = format!("{} run -i lo -t 1s -d 1s --listen 127.0.0.1:{listen}", program.display());
    terminal.run(&format!("{line} --config {}; echo ENDED $?", config.display()));
    terminal.shows(" 1 Flows ");
    for (number, port) in ports.iter().enumerate() {
        connect(number, *port);
    }
    let all: BTreeSet<u16> = ports.iter().copied().collect();
    let is_ended = || Ok(ports_of(&of_http(listen, &questions[0].expression)) == all);
    eventually("records of all connections", is_ended).unwrap();
    for question in &questions {
        terminal.press(&["/", "C-u"]);
        terminal.run(&question.expression);
        terminal.until(&question.expression, |screen| shows(screen, question, &ports));
    }
    let answers: Vec<_> = questions.iter().map(|question| of_http(listen, &question.expression)).collect();
    terminal.press(&["q"]);
    terminal.shows("ENDED 0");
    for (n, (question, answer)) in questions.iter().zip(answers).enumerate() {
        let selected: BTreeSet<u16> = question.selects.iter().map(|n| ports[*n]).collect();
        let exported = lines(&std::fs::read_to_string(dir.path().join(format!("{n}.json"))).unwrap_or_default());
        let kept = of_history(dir.path(), &question.expression);
        assert_eq!(ports_of(&exported), selected, "exporter: {}", question.expression);
        assert_eq!(ports_of(&kept), selected, "history: {}", question.expression);
        assert_eq!(ports_of(&answer), selected, "HTTP: {}", question.expression);
        assert_eq!(kept.len(), exported.len(), "{}", question.expression);
        assert!(
            exported.iter().all(|record| kept.contains(record)),
            "{}: {exported:#?} {kept:#?}",
            question.expression
        );
    }
}
