//! The service that a process says it is, from its environment (OpenTelemetry, "Environment Variable Specification").
//!
//! The file has the environment with which the program was started. Of its first bytes, which often contain secrets, only the
//! service's name leaves this file.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use procfs::process::Process;

use super::process_file::read;

/// The most that is read of an environment, bytes. Names behind it are not found.
const MAX_ENVIRONMENT: usize = 64 * 1024;
/// The most that is kept of a name, bytes.
const MAX_NAME: usize = 256;

const NAME: &[u8] = b"OTEL_SERVICE_NAME=";
const ATTRIBUTES: &[u8] = b"OTEL_RESOURCE_ATTRIBUTES=";
const SERVICE_NAME: &[u8] = b"service.name";

/// The service's name; empty: the environment names none, or may not be read.
pub(super) fn of(p: &Process) -> Box<str> {
    read(p, "environ", MAX_ENVIRONMENT).map(|environment| in_environment(&environment)).unwrap_or_default()
}

/// `OTEL_SERVICE_NAME` takes precedence. A variable that is set twice has its first value, as getenv(3) returns it.
fn in_environment(environment: &[u8]) -> Box<str> {
    // The last variable may be cut, and is then no other name: without its end, it does not count.
    let whole = environment.iter().rposition(|b| *b == 0).and_then(|end| environment.get(..end)).unwrap_or_default();
    let value = |name: &[u8]| whole.split(|b| *b == 0).find_map(|variable| variable.strip_prefix(name));
    let named = value(NAME).filter(|name| !name.is_empty()).map(Cow::Borrowed);
    let name = named.or_else(|| value(ATTRIBUTES).and_then(in_attributes)).unwrap_or_default();
    kept(&String::from_utf8_lossy(&name))
}

/// The value of `service.name` among `key=value` pairs, separated by commas; values are percent-encoded (W3C Baggage).
fn in_attributes(attributes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut pairs = attributes.split(|b| *b == b',').filter_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        Some((pair.get(..at)?.trim_ascii(), pair.get(at + 1..)?.trim_ascii()))
    });
    let (_, value) = pairs.find(|(key, _)| *key == SERVICE_NAME)?;
    Some(percent_decode(value).into())
}

/// Without control characters, which a name has no use for.
fn kept(name: &str) -> Box<str> {
    let printable: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    pidflow_engine::texts::cut(&printable, MAX_NAME).into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn named(variables: &[&str]) -> String {
        let file: Vec<u8> = variables.iter().flat_map(|v| [v.as_bytes(), b"\0"].concat()).collect();
        in_environment(&file).into()
    }

    #[test]
    fn names_are_found_as_opentelemetry_defines_them() {
        let attributes = "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=prod,service.name=cart%20v2,x=y";
        assert_eq!(named(&["PATH=/bin", "OTEL_SERVICE_NAME=checkout", attributes]), "checkout", "takes precedence");
        assert_eq!(named(&["PATH=/bin", attributes]), "cart v2");
        assert_eq!(named(&["OTEL_SERVICE_NAME=", attributes]), "cart v2", "empty is as if it were not set");
        assert_eq!(named(&["OTEL_RESOURCE_ATTRIBUTES= service.name = a , b=c"]), "a");
        assert_eq!(named(&["OTEL_RESOURCE_ATTRIBUTES=service.name=a=b"]), "a=b");
        assert_eq!(named(&["OTEL_SERVICE_NAME=first", "OTEL_SERVICE_NAME=second"]), "first");
    }

    #[test]
    fn nothing_else_is_a_name() {
        for other in
            ["", "OTEL_SERVICE_NAME", "XOTEL_SERVICE_NAME=x", "otel_service_name=x", "SECRET=OTEL_SERVICE_NAME=x"]
        {
            assert_eq!(named(&[other]), "", "{other}");
        }
        for other in ["", "service.names=x", "service.name", "a.service.name=x", "=service.name", ",,,"] {
            assert_eq!(named(&[&format!("OTEL_RESOURCE_ATTRIBUTES={other}")]), "", "{other}");
        }
        assert_eq!(&*in_environment(b"A=b\0OTEL_SERVICE_NAME=che"), "", "the end was not read");
        assert_eq!(&*in_environment(b"OTEL_SERVICE_NAME=a\xff\x1b[31m\nb\0"), "a\u{fffd}[31mb");
        assert_eq!(named(&[&format!("OTEL_SERVICE_NAME={}", "ü".repeat(1000))]).len(), MAX_NAME);
    }

    #[test]
    fn the_environment_of_another_process_is_read() {
        let sleep = |name: &str, value: &str| Command::new("sleep").arg("60").env(name, value).spawn().unwrap();
        let mut children = [
            sleep("OTEL_SERVICE_NAME", "checkout"),
            sleep("OTEL_RESOURCE_ATTRIBUTES", "service.name=cart"),
            sleep("SECRET", "hunter2"),
        ];
        // The kernel shows the new environment once exec is done; spawn returns then.
        let names = children.each_ref().map(|child| of(&Process::new(child.id() as i32).unwrap()).into_string());
        children.iter_mut().for_each(|child| drop((child.kill(), child.wait())));
        assert_eq!(names, ["checkout", "cart", ""]);
    }
}
