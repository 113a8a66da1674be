//! What is said of one flow or one process.

use pidflow_schema::{Application, Process, ProcessEnd, ProcessUsage};

use super::book::{KnownFlow, KnownProcess};
use super::cell::{percent, time};
use super::rows::{end_label, parse_ancestors, service, state};
use crate::figures::{bytes, grouped};

/// A property and its value.
pub(super) type Fact = (&'static str, String);

const SECOND_NS: u64 = 1_000_000_000;

/// Of a flow.
pub(super) fn of_flow(flow: &KnownFlow, now_s: u64) -> Vec<Fact> {
    let (r, f) = (&flow.record, &flow.record.flow);
    let seconds = f.last_ns.saturating_sub(f.first_ns) / SECOND_NS;
    let traffic = format!(
        "sent {} in {} packets, received {} in {}, now {}/s",
        bytes(f.forward.octets),
        grouped(f.forward.packets),
        bytes(f.reverse.octets),
        grouped(f.reverse.packets),
        bytes(flow.rate(now_s))
    );
    let mut facts = vec![
        ("flow", format!("{} {} → {}", service(r), at(f.source, f.source_port), at(f.destination, f.destination_port))),
        ("state", format!("{}, for {}, on {}", state(flow), time(seconds), f.interface)),
        ("traffic", traffic),
    ];
    facts.extend(f.handshake.map(|h| ("connect", format!("{:.1} ms", f64::from(h.total_us()) / 1000.0))));
    facts.extend(f.application.as_ref().map(|a| ("application", application(a))));
    facts.extend(f.translation.as_ref().map(|t| {
        let ends = (at(t.source, t.source_port), at(t.destination, t.destination_port));
        ("translated", format!("{} → {}", ends.0, ends.1))
    }));
    facts.push(("source", end_label(&r.source, f.source)));
    facts.extend(of_end(&r.source));
    facts.push(("destination", end_label(&r.destination, f.destination)));
    facts.extend(of_end(&r.destination));
    facts
}

/// The protocol, and the name that was asked for.
fn application(a: &Application) -> String {
    let query = a.dns.as_ref().map(|dns| &*dns.query);
    [Some(a.protocol.name()), a.server_name().or(query)].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn at(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

fn of_end(end: &ProcessEnd) -> Vec<Fact> {
    let found = ("  found by", end.attribution.name().to_owned());
    let Some(process) = &end.process else { return vec![found] };
    let indented = [("user", "  user"), ("command", "  command"), ("parents", "  parents"), ("place", "  place")];
    let known = identity(process);
    let shown = indented.iter().filter_map(|(name, shown)| {
        let (_, value) = known.iter().find(|(known, _)| known == name)?;
        Some((*shown, value.clone()))
    });
    shown.chain([found]).collect()
}

/// Of a process.
pub(super) fn of_process(process: &Process, known: Option<&KnownProcess>, wall_ns: u64) -> Vec<Fact> {
    let age_s = wall_ns.saturating_sub(process.start_ns) / SECOND_NS;
    let mut facts = vec![("process", format!("{}({}), started {} ago", process.name, process.pid, time(age_s)))];
    facts.extend(identity(process));
    facts.extend(known.and_then(|known| known.usage).map(|usage| ("usage", of_usage(&usage))));
    facts
}

fn identity(process: &Process) -> Vec<Fact> {
    let mut facts = vec![("user", user(process))];
    let command = [&process.command_line, &process.executable].into_iter().find(|text| !text.is_empty());
    let deleted = if process.is_deleted { " (its file was deleted or replaced)" } else { "" };
    facts.extend(command.map(|text| ("command", format!("{text}{deleted}"))));
    let parents: Vec<_> =
        parse_ancestors(&process.ancestors).iter().map(|(name, pid)| format!("{name}({pid})")).collect();
    if !parents.is_empty() {
        facts.push(("parents", parents.join(" ← ")));
    }
    facts.extend(place(process).map(|place| ("place", place)));
    facts
}

/// `ann`, `root (real user ann, login bob)`.
fn user(process: &Process) -> String {
    let real = Some(&process.real_user).filter(|real| !real.is_empty() && **real != process.user);
    let login = Some(&process.login_user).filter(|login| !login.is_empty() && **login != process.user);
    let others: Vec<_> = [real.map(|u| format!("real user {u}")), login.map(|u| format!("login {u}"))].into();
    let others = others.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if others.is_empty() { process.user.to_string() } else { format!("{} ({others})", process.user) }
}

/// Pod, container and unit.
fn place(process: &Process) -> Option<String> {
    let placement = &process.placement;
    let pod = process.pod.as_ref().map(|pod| format!("pod {}/{} {}", pod.namespace, pod.name, pod.container));
    let id = placement.container_id.get(..12).map(|id| format!("container {id} {}", placement.container_runtime));
    let units = [&placement.unit, &placement.user_unit];
    let units = units.into_iter().filter(|unit| !unit.is_empty()).map(|unit| format!("unit {unit}"));
    let parts: Vec<_> = pod.into_iter().chain(id).chain(units).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn of_usage(usage: &ProcessUsage) -> String {
    let parts = [
        usage.cpu_load.map(|load| format!("CPU {}", percent(load))),
        usage.memory_actual.map(|n| format!("memory {}", bytes(n))),
        usage.memory_peak.map(|n| format!("peak {}", bytes(n))),
        usage.page_faults().map(|n| format!("{} page faults", grouped(n))),
        usage.iowait.map(|share| format!("I/O wait {}", percent(share))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::book::{Book, ProcessKey};
    use super::super::sample::active;
    use super::*;

    fn value(facts: &[Fact], name: &str) -> String {
        facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn a_process_has_identity_parents_and_usage() {
        let mut book = Book::default();
        book.add(&active(443, 1000), 5);
        let id = ProcessKey { pid: 443, start_ns: 1 };
        let process = Process {
            real_user: "bob".into(),
            login_user: "ann".into(),
            command_line: "curl https://example.org".into(),
            ..book.description(id).unwrap().clone()
        };
        let facts = of_process(&process, book.process(id), 60 * SECOND_NS + 1);
        assert_eq!(value(&facts, "process"), "curl(443), started 1 min ago");
        assert_eq!(value(&facts, "user"), "ann (real user bob)");
        assert_eq!(value(&facts, "command"), "curl https://example.org");
        assert_eq!(value(&facts, "parents"), "sh(10) ← init(1)");
        assert_eq!(value(&facts, "usage"), "CPU 1.5 %, memory 5 MB");
    }

    #[test]
    fn a_flow_has_both_ends() {
        let mut book = Book::default();
        book.add(&active(443, 1000), 5);
        let facts = of_flow(book.flows().next().unwrap(), 5);
        assert_eq!(value(&facts, "flow"), "tcp:443 10.0.0.1:40000 → 10.0.0.2:443");
        assert_eq!(value(&facts, "traffic"), "sent 1 kB in 1 packets, received 0 B in 0, now 200 B/s");
        assert_eq!(
            (value(&facts, "source"), value(&facts, "  parents")),
            ("curl(443)".into(), "sh(10) ← init(1)".into())
        );
        assert_eq!(value(&facts, "destination"), "10.0.0.2");
    }
}
