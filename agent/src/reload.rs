//! SIGHUP: reloads the configuration file, for exporters only. Exporters whose output folder was replaced are started again, in
//! threads that may write the new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use pidflow_exporters::config::{ExporterConfig, name_apart};
use pidflow_exporters::{ExportContext, ExporterSet, MetricSource, Mode, Reloaded};

use crate::config::options::Options;
use crate::config::outputs::{self, Outputs};
use crate::output_folders::{OutputFolders, set_trouble};
use crate::privileges::{Role, in_role};
use crate::{config, threads};

/// How often it is checked whether folders of outputs were replaced.
const FOLDERS_INTERVAL: Duration = Duration::from_secs(2);

/// The state that a reload needs.
pub(crate) struct Reloader {
    /// Flags and variables, which do not change.
    pub(crate) given: Options,
    /// The file; none: there is nothing to reload.
    pub(crate) file: Option<PathBuf>,
    /// The options at the start.
    pub(crate) began: Options,
    /// The current exporters, which keep their names.
    pub(crate) running: Vec<ExporterConfig>,
    /// For exporters that send metrics.
    pub(crate) metrics: MetricSource,
    /// Memory of all exporters' queues, bytes.
    pub(crate) queues_bytes: usize,
    /// The set of exporters to change.
    pub(crate) exporters: Arc<ExporterSet>,
    /// Of the files that they write.
    pub(crate) folders: OutputFolders,
    /// Reads certificates of the collector's ports again; none: it has none.
    pub(crate) certificates: Option<Box<dyn Fn() + Send>>,
}

impl Reloader {
    /// Reloads, in a separate thread, whenever `asked` receives a message.
    pub(crate) fn start(mut self, asked: Receiver<()>) -> Result<()> {
        self.folders.set(&files(&self.running));
        let work = move || {
            loop {
                match asked.recv_timeout(FOLDERS_INTERVAL) {
                    Ok(()) => self.reload_and_say(),
                    Err(RecvTimeoutError::Timeout) => self.follow_folders(),
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
        };
        Ok(threads::spawn_as(Role::Reload, "reload", work).map(drop)?)
    }

    /// Has exporters write to folders that took the place of theirs.
    fn follow_folders(&mut self) {
        let replaced = self.folders.replaced();
        if replaced.is_empty() {
            return;
        }
        let written: Vec<PathBuf> = self.running.iter().flat_map(ExporterConfig::written).collect();
        let is_stale = |config: &ExporterConfig| config.written_file().is_some_and(|file| replaced.contains(&file));
        let renewed = in_role(Role::Exporters, &written, || self.exporters.renew(is_stale));
        let which = replaced.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        match renewed.and_then(|renewed| renewed.map_err(outputs::start_error)) {
            Ok(_) => {
                self.folders.renewed(&replaced);
                set_trouble(None);
                tracing::info!("{which}: the folder was replaced; the new one is written from now on");
            }
            // It is tried again, and logged when the reason changes.
            Err(e) => {
                let trouble = format!(
                    "{which}: the folder was replaced, and the new one cannot be written: {e:#}; give the agent's user access to it"
                );
                if set_trouble(Some(trouble.clone())) {
                    tracing::error!("{trouble}");
                }
            }
        }
    }

    fn reload_and_say(&mut self) {
        self.certificates.iter().for_each(|read_again| read_again());
        self.follow_folders();
        let Some(file) = self.file.clone() else {
            return tracing::info!(
                "there is no configuration file to reload (--config FILE); moved files are made again anyway"
            );
        };
        match self.reload(&file) {
            Ok(Reloaded { kept, started, stopped }) => {
                tracing::info!("reloaded: exporters: {kept} unchanged, {started} started, {stopped} stopped");
            }
            Err(e) => tracing::error!("not reloaded, nothing was changed: {e:#}"),
        }
    }

    fn reload(&mut self, file: &Path) -> Result<Reloaded> {
        let options = self.given.clone().over(config::load(file)?);
        let mut outputs = Outputs::new(&options, Mode::Live).with_context(|| file.display().to_string())?;
        name_apart(&mut outputs.exporters, &self.running);
        for place in options.differs_beside_exporters(&self.began) {
            tracing::warn!("changes of {place} take effect at the next start");
        }
        let written = outputs.written();
        let (metrics, queues_bytes) = (Some(self.metrics.clone()), self.queues_bytes);
        let context = ExportContext { metrics, queues_bytes, ..outputs.context };
        let work = || self.exporters.reload(&outputs.exporters, &context);
        let reloaded = in_role(Role::Exporters, &written, work)?.map_err(outputs::start_error)?;
        self.running = outputs.exporters;
        self.folders.set(&files(&self.running));
        Ok(reloaded)
    }
}

fn files(exporters: &[ExporterConfig]) -> Vec<PathBuf> {
    exporters.iter().filter_map(ExporterConfig::written_file).collect()
}
