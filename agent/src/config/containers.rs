//! Options of names of containers.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::layers::layers;
use super::values::FilePath;

/// Where names of containers come from.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Containers")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ContainerOptions {
    /// Socket of the API of Docker or Podman, such as /run/docker.sock, repeatable; it is asked for names, images and Compose
    /// services of containers [default: none]
    #[arg(long = "docker-socket", value_name = "PATH", env = "PIDFLOW_DOCKER_SOCKETS", value_delimiter = ',')]
    pub(crate) docker_sockets: Vec<FilePath>,
}
layers!(ContainerOptions { options: ; lists: docker_sockets });

impl ContainerOptions {
    /// Sockets of container engines.
    pub(crate) fn sockets(&self) -> Vec<PathBuf> {
        self.docker_sockets.iter().map(|path| path.to_path_buf()).collect()
    }
}
