//! Which servers are asked, and with which credentials.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use url::{Host, Url};

/// Where a pod finds the credentials of its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The kubelet's port (`KubeletConfiguration`, `port`).
const KUBELET_PORT: u16 = 10250;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wish {
    /// The kubelet, or else the API server, or else the links to logs.
    #[default]
    Auto,
    /// One server, or else the links to logs.
    Only(Way),
    /// The links to logs.
    Links,
    /// Nothing.
    Off,
}

/// A server that knows the pods of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The kubelet.
    Kubelet,
    /// The API server.
    Api,
}

impl Way {
    /// As in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Api => "API server",
        }
    }
}

/// The labels and annotations of pods that records have, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen {
    pub(crate) labels: Vec<String>,
    pub(crate) annotations: Vec<String>,
}

/// What the operator configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) wish: Wish,
    /// Address of the kubelet; none: derived from the node's name.
    pub(crate) kubelet: Option<Url>,
    /// Address of the API server; none: that of the pod's environment.
    pub(crate) api: Option<Url>,
    /// Folder with `token` and `ca.crt`; none: the service account's.
    pub(crate) credentials: Option<PathBuf>,
    /// The node's name; empty: unknown.
    pub(crate) node: String,
    /// What records have of pods.
    pub(crate) chosen: Chosen,
    /// Also the pods and services of the whole cluster.
    pub(crate) cluster: bool,
}

/// The servers that are asked.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) kubelet: Option<Url>,
    pub(crate) api: Option<Url>,
    pub(crate) credentials: PathBuf,
    pub(crate) node: String,
    pub(crate) chosen: Chosen,
    pub(crate) cluster: bool,
}

impl Settings {
    /// None: the operator wants no server, or this is no pod and no server is configured.
    pub(super) fn access(&self) -> Option<Access> {
        let credentials = self.credentials.clone().unwrap_or_else(|| SERVICE_ACCOUNT.into());
        let is_configured = self.kubelet.is_some() || self.api.is_some() || matches!(self.wish, Wish::Only(_));
        let is_wanted = !matches!(self.wish, Wish::Links | Wish::Off);
        if !is_wanted || !(is_configured || has_token(&credentials)) {
            return None;
        }
        let kubelet = self.kubelet.clone().or_else(|| kubelet_of(&self.node));
        let api = self.api.clone().or_else(api_of_environment);
        let (node, chosen, cluster) = (self.node.clone(), self.chosen.clone(), self.cluster);
        let kubelet = kubelet.filter(|_| self.wish != Wish::Only(Way::Api));
        Some(Access { kubelet, api, credentials, node, chosen, cluster })
    }

    /// Whether pods are looked up in the links to logs.
    pub(crate) fn uses_links(&self) -> bool {
        self.wish != Wish::Off
    }
}

impl Access {
    /// The servers that may know this node's pods, best first.
    pub(super) fn ways(&self, wish: Wish) -> Vec<Way> {
        let kubelet = self.kubelet.is_some() && wish != Wish::Only(Way::Api);
        let api = self.api.is_some() && !self.node.is_empty() && wish != Wish::Only(Way::Kubelet);
        kubelet.then_some(Way::Kubelet).into_iter().chain(api.then_some(Way::Api)).collect()
    }
}

fn has_token(folder: &Path) -> bool {
    fs::metadata(folder.join("token")).is_ok()
}

fn kubelet_of(node: &str) -> Option<Url> {
    let host = if node.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{node}]") } else { node.to_owned() };
    (!node.is_empty()).then(|| Url::parse(&format!("https://{host}:{KUBELET_PORT}")).ok()).flatten()
}

/// The API server as Kubernetes names it in each pod's environment.
fn api_of_environment() -> Option<Url> {
    let [host, port] = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"].map(std::env::var);
    let (host, port) = (host.ok()?, port.ok()?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Url::parse(&format!("https://{host}:{port}")).ok()
}

/// Whether a token may be sent to this address without TLS: it does not leave this host.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(a)) => IpAddr::from(a).is_loopback(),
        Some(Host::Ipv6(a)) => IpAddr::from(a).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
