//! What the played API server and kubelet know, and how they answer. It is strict: a request that a real server would refuse is
//! refused, and noted as a breach.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

pub(crate) const PODS: &str = "/api/v1/pods";
pub(crate) const SERVICES: &str = "/api/v1/services";
pub(crate) const NODES: &str = "/api/v1/nodes";
pub(crate) const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
pub(crate) const REPLICA_SETS: &str = "/apis/apps/v1/replicasets";
const JOBS: &str = "/apis/batch/v1/jobs";
/// What the kubelet lists.
pub(crate) const KUBELET: &str = "/pods";
/// Parameters of a list or watch that are known here ("Kubernetes API Concepts").
const PARAMETERS: [&str; 7] =
    ["watch", "allowWatchBookmarks", "timeoutSeconds", "resourceVersion", "limit", "continue", "fieldSelector"];

/// A change of an object.
#[derive(Debug, Clone)]
struct Event {
    version: u64,
    path: &'static str,
    kind: &'static str,
    object: Value,
}

/// Everything that the servers know.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) token: String,
    /// Paths that are denied (403).
    pub(crate) denied: HashSet<&'static str>,
    /// Connections are closed without an answer.
    pub(crate) is_down: bool,
    /// All requests with their status so far.
    pub(crate) asked: Vec<(String, u16)>,
    /// Requests that a real server would refuse.
    pub(crate) breaches: Vec<String>,
    version: u64,
    /// Changes up to this version are forgotten.
    compacted: u64,
    objects: BTreeMap<(&'static str, String), Value>,
    events: Vec<Event>,
    /// How many changes were forgotten.
    forgotten: usize,
    /// The rest of lists, by continue token.
    pages: HashMap<String, (u64, Vec<Value>)>,
}

/// How a request is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(u16, String),
    Watch(Follow),
}

/// What a watch follows.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    path: &'static str,
    /// Only pods of this node.
    node: Option<String>,
    /// What was sent already.
    pub(crate) version: u64,
}

impl World {
    /// Creates or changes an object.
    pub(crate) fn put(&mut self, path: &'static str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let key = (path, object["metadata"]["uid"].as_str().unwrap().to_owned());
        let kind = if self.objects.insert(key, object.clone()).is_some() { "MODIFIED" } else { "ADDED" };
        self.events.push(Event { version: self.version, path, kind, object });
    }

    pub(crate) fn delete(&mut self, path: &'static str, uid: &str) {
        self.version += 1;
        let mut object = self.objects.remove(&(path, uid.to_owned())).unwrap();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.events.push(Event { version: self.version, path, kind: "DELETED", object });
    }

    /// Tells all watches of these objects how far they are.
    pub(crate) fn bookmark(&mut self, path: &'static str) -> u64 {
        let object = json!({"kind": "Pod", "metadata": {"resourceVersion": self.version.to_string()}});
        self.events.push(Event { version: self.version, path, kind: "BOOKMARK", object });
        self.version
    }

    /// Forgets all changes so far: no watch can begin before now.
    pub(crate) fn compact(&mut self) {
        self.version += 1;
        self.compacted = self.version;
        self.forgotten += self.events.len();
        self.events.clear();
    }

    /// Requests for paths that begin so, and their statuses.
    pub(crate) fn asked(&self, start: &str) -> Vec<(&str, u16)> {
        self.asked.iter().filter(|(to, _)| to.starts_with(start)).map(|(to, status)| (&**to, *status)).collect()
    }

    pub(crate) fn answer(&mut self, line: &str, headers: &HashMap<String, String>) -> Answer {
        let answer = self.decide(line, headers);
        let status = match &answer {
            Answer::Whole(status, _) => *status,
            Answer::Watch(_) => 200,
        };
        self.asked.push((line.split(' ').nth(1).unwrap_or_default().to_owned(), status));
        answer
    }

    fn decide(&mut self, line: &str, headers: &HashMap<String, String>) -> Answer {
        let Some(target) = line.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1")) else {
            return self.breach(line);
        };
        let is_json = headers.get("accept").is_some_and(|accept| accept.starts_with("application/json"));
        if !is_json || !headers.contains_key("host") {
            return self.breach(&format!("{line} {headers:?}"));
        }
        if headers.get("authorization") != Some(&format!("Bearer {}", self.token)) {
            return status(401, "Unauthorized");
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeMap<_, _> = query.split('&').filter(|q| !q.is_empty()).map(parameter).collect();
        let known =
            [PODS, SERVICES, NODES, SLICES, REPLICA_SETS, JOBS, KUBELET].into_iter().find(|known| *known == path);
        match known {
            Some(path) if self.denied.contains(path) => status(403, &format!("{path} is forbidden")),
            Some(KUBELET) if query.is_empty() => self.kubelet_pods(),
            Some(path) if path != KUBELET => self.list_or_watch(path, &query, line),
            Some(_) => self.breach(line),
            None => self.one(path),
        }
    }

    fn breach(&mut self, what: &str) -> Answer {
        self.breaches.push(what.to_owned());
        status(400, "bad request")
    }

    fn kubelet_pods(&self) -> Answer {
        let pods: Vec<_> = self.all(PODS, None).collect();
        Answer::Whole(200, json!({"kind": "PodList", "metadata": {}, "items": pods}).to_string())
    }

    fn all<'a>(&'a self, path: &'a str, node: Option<&'a str>) -> impl Iterator<Item = &'a Value> {
        let here = self.objects.iter().filter(move |((of, _), _)| *of == path).map(|(_, object)| object);
        here.filter(move |object| is_on(object, node))
    }

    /// One ReplicaSet, by `/apis/apps/v1/namespaces/NAMESPACE/replicasets/NAME`.
    fn one(&self, path: &str) -> Answer {
        let parts: Vec<_> = path.split('/').collect();
        let ["", "apis", "apps", "v1", "namespaces", namespace, "replicasets", name] = parts[..] else {
            return status(404, "not found");
        };
        if self.denied.contains(REPLICA_SETS) {
            return status(403, "replicasets is forbidden");
        }
        let has_name = |o: &&Value| o["metadata"]["name"] == *name && o["metadata"]["namespace"] == *namespace;
        let found = self.all(REPLICA_SETS, None).find(has_name);
        found.map_or_else(|| status(404, "not found"), |object| Answer::Whole(200, object.to_string()))
    }

    fn list_or_watch(&mut self, path: &'static str, query: &BTreeMap<String, String>, line: &str) -> Answer {
        let node = query.get("fieldSelector").map(|s| s.strip_prefix("spec.nodeName=").map(str::to_owned));
        let is_selected = match &node {
            None => true,
            Some(node) => path == PODS && node.as_ref().is_some_and(|n| !n.is_empty()),
        };
        if !is_selected || query.keys().any(|name| !PARAMETERS.contains(&&**name)) {
            return self.breach(line);
        }
        let node = node.flatten();
        match query.get("watch").map(String::as_str) {
            None => self.page(path, node.as_deref(), query, line),
            Some("true") => self.watch(path, node, query, line),
            Some(_) => self.breach(line),
        }
    }

    fn page(&mut self, path: &str, node: Option<&str>, query: &BTreeMap<String, String>, line: &str) -> Answer {
        let limit = query.get("limit").map_or(Some(usize::MAX), |l| l.parse().ok().filter(|l| *l > 0));
        let Some(limit) = limit else { return self.breach(line) };
        let (version, mut items) = match query.get("continue") {
            None => (self.version, self.all(path, node).cloned().collect::<Vec<_>>()),
            Some(token) => match self.pages.remove(token) {
                Some((version, _)) if version < self.compacted => return status(410, "the list has expired"),
                Some(rest) => rest,
                None => return self.breach(line),
            },
        };
        let rest = items.split_off(limit.min(items.len()));
        let next = if rest.is_empty() { String::new() } else { format!("{version}/{}&", rest.len()) };
        if !rest.is_empty() {
            self.pages.insert(next.clone(), (version, rest));
        }
        let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
        Answer::Whole(200, json!({"kind": "List", "metadata": metadata, "items": items}).to_string())
    }

    fn watch(
        &mut self,
        path: &'static str,
        node: Option<String>,
        query: &BTreeMap<String, String>,
        line: &str,
    ) -> Answer {
        let number = |name: &str| query.get(name).and_then(|n| n.parse::<u64>().ok());
        let (Some(version), Some(_)) = (number("resourceVersion"), number("timeoutSeconds")) else {
            return self.breach(line);
        };
        let bookmarks = query.get("allowWatchBookmarks").is_some_and(|b| b == "true");
        if version > self.version || !bookmarks {
            return self.breach(line);
        }
        if version < self.compacted {
            return status(410, "too old resource version");
        }
        Answer::Watch(Follow { path, node, version })
    }

    /// The lines that a watch has not sent yet.
    pub(crate) fn news(&self, follow: &mut Follow, sent: &mut usize) -> Vec<String> {
        let new = self.events.iter().skip(sent.saturating_sub(self.forgotten));
        let new = new.filter(|e| e.path == follow.path && (e.version > follow.version || e.kind == "BOOKMARK"));
        let new = new.filter(|e| e.kind == "BOOKMARK" || is_on(&e.object, follow.node.as_deref()));
        let lines = new.map(|e| json!({"type": e.kind, "object": e.object}).to_string()).collect();
        *sent = self.forgotten + self.events.len();
        lines
    }
}

/// The line of a watch that says that its version is gone.
pub(crate) fn gone() -> String {
    json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}})
        .to_string()
}

fn is_on(object: &Value, node: Option<&str>) -> bool {
    node.is_none_or(|node| object["spec"]["nodeName"] == *node)
}

fn status(code: u16, message: &str) -> Answer {
    Answer::Whole(code, json!({"kind": "Status", "apiVersion": "v1", "message": message, "code": code}).to_string())
}

fn parameter(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (name.to_owned(), decoded(value))
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let hex = |digit: Option<u8>| char::from(digit.unwrap_or_default()).to_digit(16).unwrap_or_default() as u8;
        out.push(if byte == b'%' { (hex(bytes.next()) << 4) | hex(bytes.next()) } else { byte });
    }
    String::from_utf8(out).unwrap_or_default()
}
