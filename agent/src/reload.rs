//! SIGHUP: reloads the configuration file, for exporters only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use crossbeam_channel::Receiver;
use pidflow_exporters::config::{ExporterConfig, name_apart};
use pidflow_exporters::{ExportContext, ExporterSet, MetricSource, Mode, Reloaded};

use crate::config::options::Options;
use crate::config::outputs::{self, Outputs};
use crate::privileges::{Role, in_role};
use crate::{config, threads};

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
    /// The set of exporters to change.
    pub(crate) exporters: Arc<ExporterSet>,
}

impl Reloader {
    /// Reloads, in a separate thread, whenever `asked` receives a message.
    pub(crate) fn start(mut self, asked: Receiver<()>) -> Result<()> {
        let work = move || {
            asked.iter().for_each(|()| self.reload_and_say());
            Ok(())
        };
        Ok(threads::spawn_as(Role::Reload, "reload", work).map(drop)?)
    }

    fn reload_and_say(&mut self) {
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
        let context = ExportContext { metrics: Some(self.metrics.clone()), ..outputs.context };
        let work = || self.exporters.reload(&outputs.exporters, &context);
        let reloaded = in_role(Role::Exporters, &written, work)?.map_err(outputs::start_error)?;
        self.running = outputs.exporters;
        Ok(reloaded)
    }
}
