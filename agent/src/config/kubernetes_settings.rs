//! How Kubernetes is asked, from the options.

use super::kubernetes::LabelName;
use super::options::KubernetesOptions;
use crate::kubernetes::{Chosen, Settings};

impl KubernetesOptions {
    /// How Kubernetes is asked.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            wish: self.source.map_or_else(Default::default, Into::into),
            kubelet: self.kubelet.clone().map(|url| url.0),
            api: self.api.clone().map(|url| url.0),
            credentials: self.credentials.as_deref().map(Into::into),
            node: self.node_name.as_deref().unwrap_or_default().to_owned(),
            chosen: self.chosen(),
            cluster: self.cluster.unwrap_or(false),
        }
    }

    fn chosen(&self) -> Chosen {
        let names = |chosen: &[LabelName]| chosen.iter().map(|name| name.0.clone()).collect();
        Chosen { labels: names(&self.labels), annotations: names(&self.annotations) }
    }
}
