//! The meaning of expressions (short names, either end, unknown values), and the messages for wrong ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::Arc;

use pidflow_expression::{Expression, SHORT_NAMES};
use pidflow_schema::{Attribution, Flow, FlowRecord, Process, ProcessEnd, ProcessUsage, Protocol};

/// A flow from 10.0.0.1:40000 (process `psql`, pid 7, user ann) to 10.0.0.2:5432 on another host.
fn record() -> FlowRecord {
    let flow =
        Flow::new(Protocol::TCP, ([10, 0, 0, 1].into(), 40_000), ([10, 0, 0, 2].into(), 5432), (0, 3_000_000_000));
    let mut r = FlowRecord::without_processes(flow, Attribution::Remote);
    (r.flow.forward.octets, r.flow.reverse.octets) = (1000, 500);
    let client = Process {
        pid: 7,
        name: "psql".into(),
        uid: 1000,
        user: "ann".into(),
        command_line: "psql -h db.example --port=5432".into(),
        ..Process::default()
    };
    r.source = ProcessEnd {
        process: Some(Arc::new(client)),
        usage: Some(ProcessUsage { cpu_load: Some(5050), ..ProcessUsage::default() }),
        ..ProcessEnd::unknown(Attribution::SocketEvent)
    };
    r
}

fn is_selected(text: &str) -> bool {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).matches(&record())
}

#[test]
fn short_names_read_what_they_say() {
    for yes in [
        "process == \"psql\"",
        "process == 'psql' && dst.port == 5432 && bytes > 1e3 && user != \"root\"",
        "src.address == \"10.0.0.1\" && dst.address == \"10.0.0.2\"",
        "address == \"10.0.0.2\" && port == 40000",
        "protocol == \"tcp\" && protocol == 6",
        "protocol in [\"udp\", \"tcp\"]",
        "bytes == 1500 && IN_BYTES == 1000 && sourceTransportPort == 40000",
        "duration == \"3s\" && duration < duration(\"1h\")",
        "cpu > 50.4 && cpu < 50.6",
        "bytes / 2 == 750 && bytes * 2 - 1 == 2999 && bytes % 7 == 2 && -bytes < 0",
        "src.process in [\"curl\", \"psql\"]",
        "command.contains(\"--port=\") && command.startsWith(\"psql\") && command.endsWith(\"5432\")",
        "command.matches(\"--port=[0-9]{4}$\")",
        "cidr(\"10.0.0.0/8\").containsIP(src.address) && !cidr(\"10.0.0.2/32\").containsIP(src.address)",
        "process == \"postgres\" || true",
        "1000 <= bytes",
        "port != src.port || bytes > 0",
        "IN_BYTES > OUT_BYTES",
    ] {
        assert!(is_selected(yes), "{yes}");
    }
    for no in
        ["process == \"psq\"", "port == 41", "src.port == 5432", "protocol == \"udp\"", "false", "duration > '3s'"]
    {
        assert!(!is_selected(no), "{no}");
    }
}

#[test]
fn an_unknown_value_is_neither_equal_nor_different() {
    for no in [
        "dst.process == \"psql\"",
        "dst.process != \"psql\"",
        "!(dst.process == \"psql\")",
        "dst.process.startsWith(\"p\")",
        "vlan > 5",
        "vlan <= 5",
        "dst.process in [\"psql\"]",
        "!(dst.process in [\"psql\"])",
        "bytes / 0 == 1",
        "bytes / 0 != 1",
        "dst.process == \"x\" && port == 5432",
    ] {
        assert!(!is_selected(no), "{no}");
    }
    for yes in [
        "dst.process == null",
        "src.process != null",
        "has(src.process)",
        "!has(dst.process)",
        "vlan == null",
        "dst.process == \"x\" || port == 5432",
        "!(dst.process == \"x\" && port == 1)",
        // The user is unknown at one end, and another one at the other end.
        "user != \"root\"",
        "process == null",
    ] {
        assert!(is_selected(yes), "{yes}");
    }
    // The user at the known end is ann.
    assert!(!is_selected("user != \"ann\""));
    assert!(!is_selected("process != null"));
}

/// Wrong expressions, each with the column and a part of the message.
const WRONG: &[(&str, usize, &str)] = &[
    ("", 1, "the expression ends here"),
    ("proces == \"x\"", 1, "unknown name proces; did you mean process?"),
    ("src.proces == \"x\"", 1, "did you mean src.process?"),
    ("bytes > 1 && dst.prot == 5", 14, "unknown name dst.prot; did you mean dst.port?"),
    ("source.port == 5", 1, "unknown name source.port"),
    ("src.bytes > 5", 1, "unknown name src.bytes"),
    ("SRC_PROC_NAM == \"x\"", 1, "did you mean SRC_PROC_NAME?"),
    ("qqqq == 1", 1, "`pidflow fields --short` lists the names"),
    ("port == \"https\"", 9, "expected a number such as 443 or 1e6, not \"https\""),
    ("process == 5", 12, "expected a text such as \"nginx\", not 5"),
    ("process == 5.5", 12, "not 5.5"),
    ("address == \"10.0.0\"", 12, "expected an address such as \"10.0.0.1\", not \"10.0.0\""),
    ("address == 10", 12, "expected an address"),
    ("mac == \"02:00\"", 8, "expected a MAC address"),
    ("protocol == \"http\"", 13, "expected a protocol such as \"tcp\" or 6"),
    ("start > \"yesterday\"", 9, "expected a time such as"),
    ("duration > 5", 12, "expected a duration such as \"5s\", not 5"),
    ("duration > duration(\"fast\")", 20, "expected a duration"),
    ("port", 1, "this is a value, not a condition"),
    ("5", 1, "this is a constant, not a condition"),
    ("1 == 1", 3, "both sides are constants"),
    ("port = 443", 6, "= is not an operator; write =="),
    ("port == 443 and bytes > 5", 13, "and is not an operator; write &&"),
    ("port == 443 &&", 15, "the expression ends here"),
    ("(port == 443", 13, "expected )"),
    ("port & 1 == 1", 6, "'&' is unexpected here"),
    ("port == 443)", 12, ") is unexpected here"),
    ("process == \"nginx", 12, "the text has no closing quote"),
    ("process.begins(\"n\")", 15, "unknown function \"begins\""),
    ("port.startsWith(\"4\")", 1, "startsWith needs a text"),
    ("process.matches(\"(\")", 17, "is not a regular expression"),
    ("process in \"nginx\"", 12, "expected a list of constants"),
    ("port in [443, \"x\"]", 15, "expected a number"),
    ("cidr(\"10.0.0.0/33\").containsIP(address)", 5, "is not a network such as"),
    ("cidr(\"10.0.0.0/8\").containsIP(port)", 31, "expected an address"),
    ("process == port", 12, "the left side is a text"),
    ("process + 1 == 5", 1, "expected a number"),
    ("bytes + 5", 7, "this is a number, not a condition"),
    ("process < null", 9, "null can only be compared with == and !="),
    ("port == true", 9, "no element has values of this type"),
    ("[1, 2].exists(x, x == port)", 14, "not supported"),
    ("port == 443 ? true : false", 13, "not supported"),
    ("(port == 1) == (port == 2)", 7, "a condition cannot be compared"),
];

#[test]
fn a_wrong_expression_is_explained_in_one_line() {
    let mut wrong = Vec::new();
    for (text, column, part) in WRONG {
        match Expression::parse(text) {
            Ok(_) => wrong.push(format!("{text}: accepted")),
            Err(e) if e.column != *column || !e.message.contains(part) || e.message.contains('\n') => {
                wrong.push(format!("{text}: {e} (expected {column}: {part})"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn long_and_deep_expressions_are_refused() {
    let long = format!("port == 1{}", " ".repeat(Expression::MAX_BYTES));
    assert!(Expression::parse(&long).unwrap_err().message.contains("longer than"));
    let most = Expression::MAX_BRACKETS;
    let nested =
        |open: &str, count: usize, close: &str| format!("{}port == 1{}", open.repeat(count), close.repeat(count));
    assert!(Expression::parse(&nested("(", most, ")")).is_ok());
    for deep in [nested("(", 900, ")"), nested("[", 900, "]"), nested("a?b:", 400, ""), nested("{1:", 400, "}")] {
        assert!(Expression::parse(&deep).unwrap_err().message.contains("more than 64 brackets"), "{deep}");
    }
    // Long chains without brackets may be wrong, but overflow the stack neither when they are read nor when they are evaluated.
    for chain in ["!", "-", "1+", "a.", "port==1||", "port==1&&", "1- -", "1==", "1<", "bytes*"] {
        let longest = (Expression::MAX_BYTES - "port == 1".len()) / chain.len();
        let _ = Expression::parse(&nested(chain, longest, "")).map(|e| e.matches(&record()));
    }
    let sum = format!("{}bytes > 1000", "1+".repeat(1010));
    assert!(Expression::parse(&sum).unwrap().matches(&record()));
    let wide = vec!["port == 1"; 150].join(" || ");
    assert!(Expression::parse(&wide).is_ok_and(|e| !e.matches(&record())));
    let greedy = Expression::parse("process.matches(\"(((a{100}){100}){100})\")").unwrap_err();
    assert!(greedy.message.contains("size limit"), "{greedy}");
}

#[test]
fn every_short_name_is_an_expression() {
    for short in SHORT_NAMES {
        for name in [short.name.to_owned(), format!("src.{}", short.name)] {
            let text = format!("{name} == null");
            if let Err(error) = Expression::parse(&text) {
                assert!(name.starts_with("src."), "{error}");
            }
        }
        assert!(short.doc.ends_with('.'), "{}", short.name);
    }
}
