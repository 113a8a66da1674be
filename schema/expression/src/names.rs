//! Short names for the elements that are used most.

use pidflow_schema::{Element, by_name};

use crate::field::{Field, Kind, Reading};

/// A short name.
#[derive(Debug, Clone, Copy)]
pub struct ShortName {
    /// The name. A property of an end can also be written as `src.NAME` and `dst.NAME`.
    pub name: &'static str,
    /// The elements that the name stands for.
    pub meaning: Meaning,
    /// Meaning and unit, in one sentence.
    pub doc: &'static str,
}

impl ShortName {
    /// Whether the name is a property of each end, so that it can follow `src.` and `dst.`.
    #[must_use]
    pub const fn is_of_an_end(&self) -> bool {
        matches!(self.meaning, Meaning::End(..) | Meaning::EndPercent(..))
    }
}

/// What a short name stands for, as names of elements.
#[derive(Debug, Clone, Copy)]
pub enum Meaning {
    /// A property of each end: the first known element of those of the source, and of those of the destination.
    End(&'static [&'static str], &'static [&'static str]),
    /// Same as [`Meaning::End`], in percent; the element is in hundredths of a percent.
    EndPercent(&'static [&'static str], &'static [&'static str]),
    /// An element of the flow.
    Flow(&'static str),
    /// Same as [`Meaning::Flow`], in percent; the element is in hundredths of a percent.
    FlowPercent(&'static str),
    /// The sum of elements of the flow.
    Sum(&'static [&'static str]),
    /// The time from one element to another.
    Elapsed(&'static str, &'static str),
}

macro_rules! end {
    ($name:literal, $element:literal, $doc:literal) => {
        short($name, Meaning::End(&[concat!("SRC_", $element)], &[concat!("DST_", $element)]), $doc)
    };
}

macro_rules! percent {
    ($name:literal, $element:literal, $doc:literal) => {
        short($name, Meaning::EndPercent(&[concat!("SRC_", $element)], &[concat!("DST_", $element)]), $doc)
    };
}

const fn short(name: &'static str, meaning: Meaning, doc: &'static str) -> ShortName {
    ShortName { name, meaning, doc }
}

const ADDRESSES: Meaning = Meaning::End(&["IPV4_SRC_ADDR", "IPV6_SRC_ADDR"], &["IPV4_DST_ADDR", "IPV6_DST_ADDR"]);

/// All short names.
pub const SHORT_NAMES: &[ShortName] = &[
    end!("process", "PROC_NAME", "Name of the process."),
    end!("pid", "PROC_PID", "Process id on the host."),
    end!("user", "PROC_USER_NAME", "Name of the process's effective user."),
    end!("uid", "PROC_UID", "Number of the process's effective user."),
    end!("login", "PROC_LOGIN_USER_NAME", "Name of the user who logged in to start the process."),
    end!("command", "PROC_CMDLINE", "Command line of the process, masked as the agent is set."),
    end!("executable", "PROC_EXECUTABLE", "Path of the executable."),
    end!("ancestors", "PROC_ANCESTORS", "Chain of parents as name(pid), joined by <."),
    end!("parent", "FATHER_PROC_NAME", "Name of the parent process."),
    end!("parent_pid", "FATHER_PROC_PID", "Process id of the parent process."),
    end!("unit", "PROC_UNIT", "systemd unit of the process."),
    end!("slice", "PROC_SLICE", "systemd slice of the process."),
    end!("runtime", "PROC_CONTAINER_RUNTIME", "Container runtime of the process."),
    end!("container", "K8S_CONTAINER", "Name of the process's container in its Kubernetes pod."),
    end!("container_id", "PROC_CONTAINER_ID", "Id of the process's container."),
    end!("pod", "K8S_POD", "Name of the Kubernetes pod."),
    end!("pod_namespace", "K8S_NAMESPACE", "Namespace of the Kubernetes pod."),
    end!("attribution", "PROC_ATTRIBUTION", "How the process was found, or why not."),
    end!("network_namespace", "NETWORK_NAMESPACE", "Inode number of the socket's network namespace."),
    end!("memory", "PROC_ACTUAL_MEMORY_64", "Resident memory of the process, bytes."),
    end!("memory_peak", "PROC_PEAK_MEMORY_64", "Peak resident memory of the process, bytes."),
    percent!("cpu", "PROC_AVERAGE_CPU_LOAD", "CPU load of the process during the flow, percent of one core."),
    percent!("iowait", "PROC_PCTG_IOWAIT", "I/O wait of the process during the flow, percent of the time."),
    end!("page_faults", "PROC_NUM_PAGE_FAULTS", "Page faults of the process during the flow."),
    short("address", ADDRESSES, "IPv4 or IPv6 address."),
    short("port", Meaning::End(&["L4_SRC_PORT"], &["L4_DST_PORT"]), "Port of TCP, UDP or SCTP."),
    short("mac", Meaning::End(&["IN_SRC_MAC"], &["OUT_DST_MAC"]), "MAC address."),
    short(
        "protocol",
        Meaning::Flow("PROTOCOL"),
        "IP protocol: a number, or \"tcp\", \"udp\", \"icmp\", \"icmpv6\", \"sctp\".",
    ),
    short("bytes", Meaning::Sum(&["IN_BYTES", "OUT_BYTES"]), "Bytes of both directions, IP header included."),
    short("packets", Meaning::Sum(&["IN_PKTS", "OUT_PKTS"]), "Packets of both directions."),
    short("start", Meaning::Flow("FLOW_START_MILLISECONDS"), "Time of the first packet."),
    short("end", Meaning::Flow("FLOW_END_MILLISECONDS"), "Time of the last packet."),
    short(
        "duration",
        Meaning::Elapsed("FLOW_START_MILLISECONDS", "FLOW_END_MILLISECONDS"),
        "Time from the first to the last packet.",
    ),
    short(
        "connect_error",
        Meaning::Flow("CONNECT_ERROR"),
        "Error number of a failed connect; 111 is connection refused.",
    ),
    short("connect_time", Meaning::Flow("CONNECT_MICROSECONDS"), "Time of the TCP handshake, microseconds."),
    short("interface", Meaning::Flow("INTERFACE_NAME"), "Interface on which the first packet was seen."),
    short("vlan", Meaning::Flow("SRC_VLAN"), "VLAN id."),
    short("tunnel", Meaning::Flow("TUNNEL_KIND"), "Kind of the tunnel around the flow."),
    end!("name", "HOST_NAME", "Name for which the other end's process got this end's address from DNS."),
    end!("country", "IP_COUNTRY", "Country of the address, two letters."),
    end!("city", "IP_CITY", "City of the address."),
    end!("asn", "AS", "Autonomous system of the address."),
    end!("as_organization", "AS_MAP", "Organisation of that autonomous system."),
    short(
        "direction",
        Meaning::Flow("TRAFFIC_DIRECTION"),
        "How the flow crosses the border of the local networks: \"in\", \"out\", \"internal\", \"forwarded\".",
    ),
    short("application_name", Meaning::Flow("L7_PROTO_NAME"), "Application with nDPI's name, such as \"TLS.Google\"."),
    short("confidence", Meaning::Flow("L7_CONFIDENCE_NAME"), "How the application was found, such as \"dpi\"."),
    short("category", Meaning::Flow("L7_PROTO_CATEGORY"), "Category of the application according to nDPI."),
    short("risk_score", Meaning::Flow("L7_RISK_SCORE"), "Sum of the scores of the risks that nDPI found."),
    short("application", Meaning::Flow("APPLICATION_PROTOCOL"), "Application protocol in lower case, such as \"tls\"."),
    short("sni", Meaning::Flow("TLS_SERVER_NAME"), "Server name that the client of TLS or QUIC asked for."),
    short("http_host", Meaning::Flow("HTTP_HOST"), "Host of the first HTTP request."),
    short("http_path", Meaning::Flow("HTTP_URL"), "Path of the first HTTP request."),
    short("http_status", Meaning::Flow("HTTP_RET_CODE"), "Status code of the first HTTP response."),
    short("dns_query", Meaning::Flow("DNS_QUERY"), "Name of the first DNS query."),
    short("dns_code", Meaning::Flow("DNS_RET_CODE"), "Response code of that query; 3 is no such name."),
    short(
        "retransmits",
        Meaning::Sum(&["RETRANSMITTED_IN_PKTS", "RETRANSMITTED_OUT_PKTS"]),
        "Packets of both directions that were sent again.",
    ),
    short("lost", Meaning::Sum(&["LOST_IN_BYTES", "LOST_OUT_BYTES"]), "Bytes of both directions that were lost."),
    short("rtt", Meaning::Flow("TCP_RTT_SMOOTHED_IN"), "Smoothed round trip to the destination, microseconds."),
    short("latency", Meaning::Flow("APPL_LATENCY"), "Time of the server's first answer, microseconds."),
    short("tcp_state", Meaning::Flow("TCP_STATE"), "How far a TCP connection has got, such as \"reset\"."),
    short("tcp_end", Meaning::Flow("TCP_ENDED_BY"), "What ended a TCP connection, such as \"source-fin\"."),
    short("host", Meaning::Flow("HOST_NAME"), "Name of the host that observed the flow."),
    short(
        "host_cpu",
        Meaning::FlowPercent("HOST_CPU_LOAD"),
        "CPU load of the host during the flow, percent of all cores.",
    ),
];

fn elements(names: &[&str]) -> Vec<&'static Element> {
    names.iter().filter_map(|name| by_name(name)).collect()
}

fn kind(elements: &[&'static Element]) -> Option<Kind> {
    elements.first().map(|e| Kind::of(e))
}

/// Hundredths of a percent to percent.
const PERCENT: f64 = 0.01;

impl Meaning {
    /// None: an element is not in the table.
    fn field(self) -> Option<Field> {
        let first = |names: &[&str]| Reading::First(elements(names));
        let (source, destination, kind, scale) = match self {
            Self::End(s, d) => (first(s), Some(first(d)), kind(&elements(s))?, None),
            Self::EndPercent(s, d) => (first(s), Some(first(d)), kind(&elements(s))?, Some(PERCENT)),
            Self::Flow(name) => return by_name(name).map(Field::element),
            Self::FlowPercent(name) => return Some(Field { scale: Some(PERCENT), ..Field::element(by_name(name)?) }),
            Self::Sum(names) => (Reading::Sum(elements(names)), None, kind(&elements(names))?, None),
            Self::Elapsed(from, to) => (Reading::Elapsed(by_name(from)?, by_name(to)?), None, Kind::Duration, None),
        };
        Some(Field { source, destination, kind, scale })
    }
}

fn short_name(name: &str) -> Option<Field> {
    SHORT_NAMES.iter().find(|short| short.name == name)?.meaning.field()
}

/// The field with this name: a short name, or an element's name in upper or lower case.
pub(crate) fn field(name: &str) -> Option<Field> {
    short_name(name).or_else(|| by_name(name).map(Field::element))
}

/// The field `src.NAME` or `dst.NAME`.
pub(crate) fn field_of(end: &str, name: &str) -> Option<Field> {
    let field = short_name(name)?;
    let destination = field.destination.clone()?;
    match end {
        "src" => Some(Field { destination: None, ..field }),
        "dst" => Some(Field { source: destination, destination: None, ..field }),
        _ => None,
    }
}

/// The known name that is most similar to this one; none: no name is similar.
pub(crate) fn nearest(name: &str) -> Option<String> {
    let short = SHORT_NAMES.iter().flat_map(|short| {
        let of_end = |end| short.is_of_an_end().then(|| format!("{end}.{}", short.name));
        [Some(short.name.to_owned()), of_end("src"), of_end("dst")].into_iter().flatten()
    });
    let elements = pidflow_schema::ELEMENTS.iter().map(|e| e.name.to_owned());
    crate::nearest::nearest(name, short.chain(elements))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_name_is_known_and_none_twice() {
        for short in SHORT_NAMES {
            assert!(short.meaning.field().is_some(), "{}", short.name);
            assert_eq!(SHORT_NAMES.iter().filter(|other| other.name == short.name).count(), 1, "{}", short.name);
            let all = match short.meaning {
                Meaning::End(s, d) | Meaning::EndPercent(s, d) => [s, d].concat(),
                Meaning::Flow(name) | Meaning::FlowPercent(name) => vec![name],
                Meaning::Sum(names) => names.to_vec(),
                Meaning::Elapsed(from, to) => vec![from, to],
            };
            assert!(all.iter().all(|name| by_name(name).is_some_and(|e| e.name == *name)), "{}", short.name);
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        for (wrong, right) in [
            ("proces", "process"),
            ("src.procces", "src.process"),
            ("prot", "port"),
            ("adress", "address"),
            ("SRC_PROC_NAM", "SRC_PROC_NAME"),
        ] {
            assert_eq!(nearest(wrong).as_deref(), Some(right), "{wrong}");
        }
        assert_eq!(nearest("zzz"), None);
    }
}
