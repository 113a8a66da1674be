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
    /// Hexadecimal digits of a container's id (containerd, CRI-O, Docker and Podman).
    pub const ID_DIGITS: usize = 64;

    /// Whether the text is a container's id, as in control groups and names of logs.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        text.len() == Self::ID_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The length of all its texts, bytes.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.name.len() + self.image.len() + self.compose_project.len() + self.compose_service.len()
    }
}
