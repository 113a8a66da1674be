//! OTLP exporters from OpenTelemetry's standard variables (specification: "OpenTelemetry Protocol Exporter",
//! "Environment Variable Specification").

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::tls::{identity, read_pem};
use super::{ConfigError, DeliveryConfig, ExporterConfig, HttpConfig, OtlpConfig, OtlpProtocol, Output};
use super::{Secret, Signal, TlsConfig};

/// Where the variables are read.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const METRIC_EXPORT_INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";

/// Signals with the same receiver and settings share one exporter.
pub(super) fn exporters(
    url: Option<&str>,
    signals: &[Signal],
    lookup: Lookup<'_>,
) -> Result<Vec<ExporterConfig>, ConfigError> {
    let mut all: Vec<(OtlpConfig, DeliveryConfig)> = Vec::new();
    for signal in signals {
        let (config, delivery) = Variables { signal: *signal, lookup }.exporter(url)?;
        match all.iter_mut().find(|(c, d)| *d == delivery && is_same(c, &config)) {
            Some((same, _)) => same.signals.extend(&config.signals),
            None => all.push((config, delivery)),
        }
    }
    let made = all.into_iter().map(|(c, delivery)| ExporterConfig { delivery, ..Output::Otlp(c).into() });
    Ok(made.collect())
}

fn is_same(a: &OtlpConfig, b: &OtlpConfig) -> bool {
    !a.exact && *a == OtlpConfig { signals: a.signals.clone(), ..b.clone() }
}

/// The resource's attributes from the variables.
pub(super) fn resource(lookup: Lookup<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
    let given = |name: &str| lookup(name).filter(|v| !v.is_empty());
    let text = given(RESOURCE_ATTRIBUTES).unwrap_or_default();
    let mut attributes = pairs(&text).map_err(|reason| wrong(RESOURCE_ATTRIBUTES, reason))?;
    if let Some(name) = given(SERVICE_NAME) {
        attributes.insert("service.name".into(), name);
    }
    Ok(attributes)
}

/// One signal's variables.
struct Variables<'a> {
    signal: Signal,
    lookup: Lookup<'a>,
}

impl Variables<'_> {
    fn exporter(&self, url: Option<&str>) -> Result<(OtlpConfig, DeliveryConfig), ConfigError> {
        let protocol = self.read("PROTOCOL", protocol)?.unwrap_or_default();
        let (http, exact) = match url {
            Some(url) => (HttpConfig::new(url)?, false),
            None => self.endpoint(protocol)?,
        };
        let gzip = self.read("COMPRESSION", compression)?.unwrap_or(http.gzip);
        let headers = self.read("HEADERS", headers)?.unwrap_or_default();
        let http = HttpConfig { headers, gzip, tls: self.tls()?, ..http };
        let usual = OtlpConfig::from(http);
        let interval = self.given(METRIC_EXPORT_INTERVAL).map(|t| milliseconds(&t)).transpose();
        let metric_interval = interval.map_err(|e| wrong(METRIC_EXPORT_INTERVAL, e))?.unwrap_or(usual.metric_interval);
        let mut delivery = DeliveryConfig::default();
        delivery.timeout = self.read("TIMEOUT", milliseconds)?.unwrap_or(delivery.timeout);
        Ok((OtlpConfig { protocol, signals: [self.signal].into(), metric_interval, exact, ..usual }, delivery))
    }

    /// The receiver, and whether its address is for one signal only.
    fn endpoint(&self, protocol: OtlpProtocol) -> Result<(HttpConfig, bool), ConfigError> {
        let (usual, is_http) = match protocol {
            OtlpProtocol::Grpc => ("http://localhost:4317", false),
            OtlpProtocol::Http => ("http://localhost:4318", true),
        };
        let Some((name, text)) = self.find("ENDPOINT") else { return Ok((HttpConfig::new(usual)?, false)) };
        let insecure = self.find("INSECURE").is_some_and(|(_, v)| v.eq_ignore_ascii_case("true"));
        let url = match (text.contains("://"), insecure) {
            (false, true) if !is_http => format!("http://{text}"),
            (false, false) if !is_http => format!("https://{text}"),
            _ => text,
        };
        // The address is not shown, because it may contain a password.
        let http = HttpConfig::new(&url).map_err(|_| {
            wrong(&name, "it is not a receiver's address; write http://HOST:PORT or https://HOST:PORT".into())
        })?;
        Ok((http, is_http && name != variable(None, "ENDPOINT")))
    }

    fn tls(&self) -> Result<TlsConfig, ConfigError> {
        let file = |setting| self.read(setting, |path| read_pem(Path::new(path)));
        let (cert, key) = (file("CLIENT_CERTIFICATE")?, file("CLIENT_KEY")?);
        let missing = if cert.is_some() { "CLIENT_KEY" } else { "CLIENT_CERTIFICATE" };
        let identity = identity(cert, key).map_err(|()| {
            wrong(
                &variable(None, missing),
                "client certificate and key are needed together, one of them is not set".into(),
            )
        })?;
        Ok(TlsConfig { ca: file("CERTIFICATE")?, identity, ..TlsConfig::default() })
    }

    /// Parses a setting with `read`, whose error describes what is wrong with it.
    fn read<T>(&self, setting: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, ConfigError> {
        let Some((name, text)) = self.find(setting) else { return Ok(None) };
        read(&text).map(Some).map_err(|reason| wrong(&name, reason))
    }

    /// The signal's own variable, otherwise the one for all signals, with its name.
    fn find(&self, setting: &str) -> Option<(String, String)> {
        let names = [Some(self.signal), None].map(|s| variable(s, setting));
        names.into_iter().find_map(|name| Some((name.clone(), self.given(&name)?)))
    }

    /// An empty variable counts as not set.
    fn given(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }
}

fn variable(signal: Option<Signal>, setting: &str) -> String {
    match signal {
        Some(s) => format!("OTEL_EXPORTER_OTLP_{}_{setting}", s.name().to_uppercase()),
        None => format!("OTEL_EXPORTER_OTLP_{setting}"),
    }
}

fn wrong(name: &str, reason: String) -> ConfigError {
    ConfigError::Variable { name: name.to_owned(), reason }
}

fn protocol(text: &str) -> Result<OtlpProtocol, String> {
    match text {
        "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::Http),
        _ => Err(format!("it is \"{text}\"; allowed are grpc and http/protobuf")),
    }
}

fn compression(text: &str) -> Result<bool, String> {
    match text {
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!("it is \"{text}\"; allowed are gzip and none")),
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let ms = text.parse().ok().filter(|ms| (1..=86_400_000).contains(ms));
    ms.map(Duration::from_millis).ok_or_else(|| format!("it is \"{text}\"; allowed are 1 to 86400000 milliseconds"))
}

fn headers(text: &str) -> Result<BTreeMap<String, Secret>, String> {
    Ok(pairs(text)?.into_iter().map(|(name, value)| (name, Secret::new(&value))).collect())
}

/// `KEY=VALUE,KEY=VALUE`, percent-encoded, as in W3C Baggage without properties. The error shows no value.
fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let members = text.split(',').map(str::trim).filter(|m| !m.is_empty());
    members.map(|member| pair(member).ok_or_else(|| "write KEY=VALUE,KEY=VALUE, percent-encoded".to_owned())).collect()
}

fn pair(member: &str) -> Option<(String, String)> {
    let (key, value) = member.split_once('=')?;
    let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
    Some((decode(key)?, decode(value)?)).filter(|(key, _)| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn otlp(url: Option<&str>, signals: &[Signal], variables: &[(&str, &str)]) -> Result<Vec<ExporterConfig>, String> {
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        exporters(url, signals, &lookup).map_err(|e| e.to_string())
    }

    fn config(exporter: &ExporterConfig) -> &OtlpConfig {
        let Output::Otlp(config) = &exporter.output else { panic!("{exporter:?}") };
        config
    }

    #[test]
    fn without_variables_it_is_the_usual_receiver() {
        let all = otlp(None, &Signal::ALL, &[]).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].name(), "otlp http://localhost:4317 logs,metrics,traces");
        let http = otlp(None, &[Signal::Logs], &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]).unwrap();
        assert_eq!((http[0].name().as_str(), config(&http[0]).exact), ("otlp http://localhost:4318", false));
    }

    #[test]
    fn a_signals_own_variable_goes_before_the_general_one_and_the_flag_before_both() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces/in"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", ""),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ];
        let all = otlp(None, &Signal::ALL, &variables).unwrap();
        let names: Vec<_> = all.iter().map(ExporterConfig::name).collect();
        assert_eq!(names, ["otlp http://all:4318 logs,metrics", "otlp https://traces/in traces"]);
        assert_eq!((config(&all[0]).exact, config(&all[1]).exact), (false, true));
        assert_eq!(config(&all[0]).http.headers["api-key"].reveal(), "a b");
        assert!(!config(&all[0]).http.gzip);
        assert_eq!(all[0].delivery.timeout, Duration::from_millis(2500));
        assert_eq!(config(&all[0]).metric_interval, Duration::from_secs(5));
        let flag = otlp(Some("http://mine:1"), &Signal::ALL, &variables).unwrap();
        assert_eq!(flag.len(), 1);
        assert_eq!((config(&flag[0]).http.url.as_str(), config(&flag[0]).http.headers.len()), ("http://mine:1", 2));
    }

    #[test]
    fn a_grpc_target_without_scheme_is_secure_unless_it_says_otherwise() {
        let target = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
        let url = |v: &[(&str, &str)]| config(&otlp(None, &[Signal::Logs], v).unwrap()[0]).http.url.clone();
        assert_eq!(url(&[target]), "https://collector:4317");
        assert_eq!(url(&[target, ("OTEL_EXPORTER_OTLP_INSECURE", "true")]), "http://collector:4317");
        let http = [target, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")];
        assert!(otlp(None, &[Signal::Logs], &http).is_err());
    }

    #[test]
    fn mistakes_name_the_variable_and_show_no_secret() {
        let error = |name: &str, value: &str| otlp(None, &[Signal::Logs], &[(name, value)]).unwrap_err();
        let headers = error("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "api-key:s3cret");
        assert!(headers.starts_with("`OTEL_EXPORTER_OTLP_LOGS_HEADERS`") && !headers.contains("s3cret"), "{headers}");
        let url = error("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:s3cret@h");
        assert!(url.starts_with("`OTEL_EXPORTER_OTLP_ENDPOINT`") && !url.contains("s3cret"), "{url}");
        assert!(error("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json").contains("grpc and http/protobuf"));
        assert!(error("OTEL_EXPORTER_OTLP_TIMEOUT", "10s").contains("milliseconds"));
        assert!(error("OTEL_EXPORTER_OTLP_CERTIFICATE", "/does/not/exist").contains("cannot read /does/not/exist"));
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), "-----BEGIN CERTIFICATE-----\n").unwrap();
        let alone = error("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", ca.path().to_str().unwrap());
        assert!(alone.starts_with("`OTEL_EXPORTER_OTLP_CLIENT_KEY`"), "{alone}");
    }

    #[test]
    fn the_resource_comes_from_two_variables() {
        let lookup = |name: &str| match name {
            SERVICE_NAME => Some("edge".to_owned()),
            RESOURCE_ATTRIBUTES => Some("service.name=other,deployment.environment.name=a%2Cb".to_owned()),
            _ => None,
        };
        let all = resource(&lookup).unwrap();
        assert_eq!((all["service.name"].as_str(), all["deployment.environment.name"].as_str()), ("edge", "a,b"));
        assert!(resource(&|_| Some("no pair".into())).unwrap_err().to_string().contains(RESOURCE_ATTRIBUTES));
    }
}
