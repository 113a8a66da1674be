//! What the container engine knows of a container.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names of a Docker or Podman container, from the engine's API. Empty texts: none, or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Container {
    /// The container's name, without the slash that the API puts before it.
    pub name: Arc<str>,
    /// The image as it was given at its creation, such as `nginx:1.27`.
    pub image: Arc<str>,
    /// The project of Docker Compose (label `com.docker.compose.project`).
    pub compose_project: Arc<str>,
    /// The service of Docker Compose (label `com.docker.compose.service`).
    pub compose_service: Arc<str>,
}

impl Container {
    /// The length of all its texts, bytes.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.name.len() + self.image.len() + self.compose_project.len() + self.compose_service.len()
    }
}
