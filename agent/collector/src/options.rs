//! Records of options: sampling rates, names of interfaces, and when the exporter started.

use std::sync::Arc;

use pidflow_schema::Enterprise;

use crate::data::walk;
use crate::field::{Action, Time};
use crate::known::Known;
use crate::octets::{Octets, unsigned};
use crate::sampling::Told;
use crate::template::Template;
use crate::value;

/// Element ingressInterface.
const INGRESS_INTERFACE: u16 = 10;
/// Longest name of an interface, bytes.
const MAX_INTERFACE_NAME: usize = 256;

/// What one record of options says.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) sampling: Told,
    pub(crate) interface: Option<u32>,
    /// When the exporter's uptime was 0, milliseconds since the epoch.
    pub(crate) boot_ms: Option<u64>,
    name: Option<Arc<str>>,
    description: Option<Arc<str>>,
}

impl Options {
    /// Reads the next record of a set; none: it is cut off.
    pub(crate) fn read(template: &Template, set: &mut Octets<'_>, known: &Known) -> Option<Self> {
        let mut all = Self::default();
        walk(template, set, |field, octets| all.put(field.action, octets, known))?;
        Some(all)
    }

    /// The interface's name, otherwise its description.
    pub(crate) fn interface_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref().or(self.description.as_ref())
    }

    fn put(&mut self, action: Action, octets: &[u8], known: &Known) {
        match action {
            Action::Sampling(part) => _ = self.sampling.note(part, octets),
            Action::Time(Time::Boot) => self.boot_ms = unsigned(octets).filter(|ms| *ms > 0),
            Action::InterfaceName => self.name = name(octets),
            Action::InterfaceDescription => self.description = name(octets),
            Action::Write(place)
                if known
                    .element(place)
                    .is_some_and(|e| e.enterprise == Enterprise::Iana && e.id == INGRESS_INTERFACE) =>
            {
                self.interface = unsigned(octets).and_then(|n| u32::try_from(n).ok());
            }
            _ => {}
        }
    }
}

fn name(octets: &[u8]) -> Option<Arc<str>> {
    let (text, _) = value::text(octets.get(..MAX_INTERFACE_NAME).unwrap_or(octets));
    (!text.is_empty()).then(|| Arc::from(&*text))
}
