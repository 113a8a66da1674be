//! The parts that are read of the engine's answers (Docker Engine API: ContainerList, SystemEvents). All members may be missing.

use std::collections::HashMap;
use std::sync::Arc;

use pidflow_engine::texts::cut;
use pidflow_schema::Container;
use serde::Deserialize;

/// The most that is kept of a name, bytes.
const MAX_NAME: usize = 256;
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// Labels of a container, or the attributes of an event about it, which contain its labels.
type Labels = HashMap<String, String>;

/// A container of the list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    id: String,
    /// Each with a slash before it; names of links have two.
    names: Option<Vec<String>>,
    image: Option<String>,
    labels: Option<Labels>,
}

/// An event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Event {
    #[serde(rename = "Type")]
    kind: Option<String>,
    actor: Option<Actor>,
}

/// What the event is about.
#[derive(Debug, Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: Option<Labels>,
}

/// A refusal.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) message: String,
}

/// A container by its id.
pub(super) type Named = (Box<str>, Arc<Container>);

impl Listed {
    /// None: the id is none that a cgroup path could have.
    pub(super) fn named(&self) -> Option<Named> {
        let own = self.names.iter().flatten().filter_map(|name| name.strip_prefix('/').filter(|n| !n.contains('/')));
        named(&self.id, own.take(1).next(), self.image.as_deref(), self.labels.as_ref())
    }
}

impl Event {
    /// None: the event is not about a container, or the id is none that a cgroup path could have.
    pub(super) fn named(&self) -> Option<Named> {
        let actor = self.actor.as_ref().filter(|_| self.kind.as_deref() == Some("container"))?;
        let attributes = actor.attributes.as_ref();
        let text = |key: &str| attributes.and_then(|all| all.get(key)).map(String::as_str);
        named(&actor.id, text("name"), text("image"), attributes)
    }
}

fn named(id: &str, name: Option<&str>, image: Option<&str>, labels: Option<&Labels>) -> Option<Named> {
    let label = |key: &str| labels.and_then(|all| all.get(key)).map(String::as_str);
    let container = Container {
        name: kept(name),
        image: kept(image),
        compose_project: kept(label(COMPOSE_PROJECT)),
        compose_service: kept(label(COMPOSE_SERVICE)),
    };
    Container::is_id(id).then(|| (id.into(), Arc::new(container)))
}

/// Without control characters, which none of them has.
fn kept(text: Option<&str>) -> Arc<str> {
    let printable: String = text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    cut(&printable, MAX_NAME).into()
}
