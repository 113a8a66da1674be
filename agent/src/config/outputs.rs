//! Makes exporters from options.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use pidflow_exporters::config::{ConfigError, ExporterConfig, Signal, name_apart};
use pidflow_exporters::wire::node_domain;
use pidflow_exporters::{ExportContext, Mode, StartError, Unusable};
use pidflow_exporters::{Template, TemplateError};
use pidflow_schema::Enterprise;

use crate::host_files;

use super::app_specific::app_specific_id;
use super::choices::{Direction, JsonKeys, WireVersion};
use super::options::{ExportOptions, Options};
use super::values::Ranged;
use crate::failure::{Failure, OrUsage};
use crate::memory::Budget;
use crate::privileges::{Role, in_role};

/// Exporters and what they have in common.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// The exporters.
    pub(crate) exporters: Vec<ExporterConfig>,
    /// What they have in common.
    pub(crate) context: ExportContext,
}

impl Outputs {
    /// Checks the options.
    pub(crate) fn new(options: &Options, mode: Mode) -> anyhow::Result<Self> {
        let mut exporters = given(&options.export)?;
        exporters.extend(options.exporters.iter().cloned());
        name_apart(&mut exporters, &[]);
        Ok(Self { exporters, context: context(&options.export, mode)? })
    }

    /// Logs that OpenTelemetry's variable starts no export without `--otlp`: it may be meant for another program.
    pub(crate) fn say_what_is_not_used(&self) {
        use pidflow_exporters::Output;
        let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let is_otlp = |e: &ExporterConfig| matches!(e.output, Output::Otlp(_));
        if variable(name).is_some_and(|v| !v.is_empty()) && !self.exporters.iter().any(is_otlp) {
            tracing::info!("{name} is set but unused; use --otlp env to export to it");
        }
    }

    /// Files and folders that the exporters write.
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        self.exporters.iter().flat_map(ExporterConfig::written).collect()
    }

    /// Checks that no output is one of the files that the program reads, such as a capture, its configuration or a key.
    ///
    /// # Errors
    /// One of them is.
    pub(crate) fn check_apart<'a, P: AsRef<Path> + 'a>(&self, read: impl Iterator<Item = &'a P>) -> anyhow::Result<()> {
        let read: Vec<_> = read.filter_map(|path| file_identity(path.as_ref())).collect();
        let is_read = |output: &PathBuf| file_identity(output).is_some_and(|file| read.contains(&file));
        match self.written().into_iter().find(is_read) {
            Some(output) => Err(anyhow!("{} is read; write the records to another file", output.display())),
            None => Ok(()),
        }
    }

    /// Tries the exporters with the rights of threads in that role, and reports those that could not be started.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn try_out(&self, role: Role) -> anyhow::Result<Result<(), Unusable>> {
        in_role(role, &self.written(), || pidflow_exporters::check(&self.exporters, &self.context))
    }

    /// Like [`Self::try_out`], for callers that need only the error.
    ///
    /// # Errors
    /// An exporter could not be started.
    pub(crate) fn check(&self, role: Role) -> Result<(), Failure> {
        let of_role = |e: StartError| if role == Role::Exporters { start_error(e) } else { e.into() };
        self.try_out(role)?.map_err(|unusable| of_role(unusable.error)).or_usage()
    }

    /// Whether standard output carries records.
    pub(crate) fn uses_stdout(&self) -> bool {
        use pidflow_exporters::Output;
        use pidflow_exporters::config::{JsonConfig, JsonOutput};
        let is = |e: &ExporterConfig| matches!(e.output, Output::Json(JsonConfig { output: JsonOutput::Stdout, .. }));
        self.exporters.iter().any(is)
    }
}

/// Device and inode of a regular file.
pub(crate) fn file_identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().filter(Metadata::is_file).map(|m| (m.dev(), m.ino()))
}

/// Why exporters do not start, with a remedy where root has no access without capabilities.
pub(crate) fn start_error(error: StartError) -> anyhow::Error {
    let is_denied = |e: &(dyn std::error::Error + 'static)| {
        e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
    };
    let error = anyhow::Error::new(error);
    if error.chain().any(is_denied) {
        let why = "exporters have no capabilities, so even root needs files and folders that it owns or has permission to write";
        return anyhow!("{error}; {why}");
    }
    error
}

/// Makes an exporter from the value of an output flag.
type Make = fn(&str) -> Result<ExporterConfig, ConfigError>;

/// The exporters of the output flags. An error names the option, or OpenTelemetry's variable.
fn given(o: &ExportOptions) -> Result<Vec<ExporterConfig>, ConfigError> {
    let version = o.version.unwrap_or(WireVersion::Ipfix).into();
    let keys = o.json_keys.unwrap_or(JsonKeys::Names).into();
    let direction = o.ipfix_direction.unwrap_or(Direction::Biflow).into();
    let collector = |url: &String| Ok(ExporterConfig::collector(url, version)?.with_direction(direction));
    let collectors: Result<Vec<_>, ConfigError> = o.collectors.iter().map(collector).collect();
    let mut all = collectors.map_err(|e| e.of_option("collectors"))?;
    if let Some(to) = &o.json {
        all.push(ExporterConfig::json(to, keys).map_err(|e| e.of_option("json"))?);
    }
    if let Some(given) = &o.otlp {
        let url = Some(given.as_str()).filter(|given| *given != "env");
        let made = ExporterConfig::otlp_with_variables(url, &signals(o), &variable);
        all.extend(made.map_err(|e| e.of_option("otlp"))?);
    }
    let stores: [(_, &Option<String>, Make); 6] = [
        ("elastic", &o.elastic, ExporterConfig::elastic),
        ("clickhouse", &o.clickhouse, ExporterConfig::clickhouse),
        ("kafka", &o.kafka, ExporterConfig::kafka),
        ("nats", &o.nats, ExporterConfig::nats),
        ("redis", &o.redis, ExporterConfig::redis),
        ("zmq", &o.zmq, ExporterConfig::zmq),
    ];
    for (option, given, make) in stores {
        all.extend(given.as_deref().map(make).transpose().map_err(|e| e.of_option(option))?);
    }
    Ok(all)
}

/// Adds the name of the invalid option to the error.
pub(super) fn check(o: &ExportOptions) -> Result<(), ConfigError> {
    template(o)?;
    given(o).map(drop)
}

fn template(o: &ExportOptions) -> Result<Option<Template>, ConfigError> {
    let wrong = |e: TemplateError| ConfigError::Option { option: "template", reason: e.to_string() };
    o.template.as_deref().map(Template::parse).transpose().map_err(wrong)
}

fn signals(o: &ExportOptions) -> Vec<Signal> {
    let given: Vec<_> = o.otlp_signals.iter().map(|s| Signal::from(*s)).collect();
    if given.is_empty() { vec![Signal::Logs] } else { given }
}

/// A variable that is not valid text counts as not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn context(o: &ExportOptions, mode: Mode) -> anyhow::Result<ExportContext> {
    let (host_name, host_id) = (host(o), read("/etc/machine-id"));
    Ok(ExportContext {
        template: template(o)?,
        own_pen: o.own_pen.map_or(Enterprise::DEFAULT_OWN_PEN, Ranged::get),
        domain: node_domain(if host_id.is_empty() { &host_name } else { &host_id }),
        observer: observer(o, &host_id, &host_name),
        host_name,
        host_id,
        resource: ExporterConfig::otlp_resource(&variable)?,
        queues_bytes: Budget::of_collect().queues_bytes(),
        mode,
        ..ExportContext::default()
    })
}

/// The name given by the option, otherwise this host's name.
fn host(o: &ExportOptions) -> String {
    o.host.as_deref().map_or_else(|| read("/proc/sys/kernel/hostname"), str::to_owned)
}

/// The id given by the option, otherwise one that is made from the machine id, otherwise the host's name.
fn observer(o: &ExportOptions, machine_id: &str, host_name: &str) -> String {
    let made = || app_specific_id(machine_id).unwrap_or_else(|| host_name.to_owned());
    o.observer.as_deref().map_or_else(made, str::to_owned)
}

fn read(path: &str) -> String {
    host_files::read(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advises(error: StartError) -> bool {
        start_error(error).to_string().contains("capabilities")
    }

    #[test]
    fn the_remedy_follows_from_the_kind_of_the_error_and_not_from_its_words() {
        let denied = || io::Error::from_raw_os_error(libc::EACCES);
        let path = || PathBuf::from("/srv/x");
        let write = |source| StartError::Write { exporter: "json".into(), key: "file", path: path(), source };
        assert!(advises(write(denied())) && advises(write(io::Error::new(io::ErrorKind::PermissionDenied, "no"))));
        assert!(advises(StartError::Open { path: path(), source: denied() }));
        assert!(!advises(write(io::ErrorKind::NotFound.into())));
        let words = format!("cannot reach \"{}\"", denied());
        assert!(!advises(StartError::Client { exporter: "otlp".into(), reason: words.clone() }));
        assert!(!advises(StartError::Open { path: words.into(), source: io::ErrorKind::NotFound.into() }));
    }
}
