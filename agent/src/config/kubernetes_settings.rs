//! How Kubernetes is asked, from the options.

use super::options::KubernetesOptions;
use crate::kubernetes::Settings;

impl KubernetesOptions {
    /// How Kubernetes is asked.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            wish: self.source.map_or_else(Default::default, Into::into),
            kubelet: self.kubelet.clone().map(|url| url.0),
            api: self.api.clone().map(|url| url.0),
            credentials: self.credentials.as_deref().map(Into::into),
            node: self.node_name.as_deref().unwrap_or_default().to_owned(),
            labels: self.labels.iter().map(|label| label.0.clone()).collect(),
            cluster: self.cluster.unwrap_or(false),
        }
    }
}
