//! Options records (RFC 7011 section 3.4.2.2): data other than flows.

mod figures;
mod interfaces;
mod ledger;
mod statistics;
mod types;

pub use figures::FIGURES;
pub(super) use figures::{Figure, ignored_packets, put_figure_template};
pub(super) use interfaces::{interface_octets, put_interface};
pub use ledger::LEDGER;
pub(super) use ledger::{Account, Told, put_ledger_template};
pub(super) use statistics::{Totals, put_ignored, put_statistics};
pub(super) use types::{Type, put_type, put_type_template, type_octets};

use pidflow_schema::DataType;

use crate::wire::Draft;

use super::{ENTERPRISE_BIT, SET_HEADER, VARIABLE};

/// Set id of options templates (RFC 7011 section 3.3.2).
const OPTIONS_TEMPLATE_SET: u16 = 3;
/// Element observationDomainId, the scope of the exporter's statistics.
const OBSERVATION_DOMAIN: Field = Field::Iana(149, 4);

/// One field of an options template.
enum Field {
    /// IANA's element id and its length in octets.
    Iana(u16, u16),
    /// One of pidflow's elements for options records only.
    Own(&'static OwnElement),
}

/// An element that only options records have.
pub(super) struct OwnElement {
    /// In pidflow's number space, above those of flow records.
    pub(super) id: u16,
    /// See [`pidflow_schema::Element::ipfix_name`].
    pub(super) name: &'static str,
    /// Type.
    pub(super) data_type: DataType,
}

/// pidflow's elements in options records.
pub(super) fn own_elements() -> impl Iterator<Item = &'static OwnElement> {
    figures::OWN_ELEMENTS.iter().chain(&ledger::OWN_ELEMENTS)
}

/// An options template. Its first `scopes` fields are its scope.
struct Layout {
    /// The template id, far above those of data templates.
    id: u16,
    scopes: u16,
    fields: &'static [Field],
}

impl Field {
    fn put(&self, own_pen: u32, out: &mut Vec<u8>) {
        let (id, length, number) = match self {
            Self::Iana(id, length) => (*id, *length, None),
            Self::Own(e) => (e.id | ENTERPRISE_BIT, e.data_type.octets().unwrap_or(VARIABLE), Some(own_pen)),
        };
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        if let Some(number) = number {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

impl Layout {
    /// Appends the template.
    fn put(&self, own_pen: u32, draft: &mut Draft) {
        draft.open(OPTIONS_TEMPLATE_SET);
        let count = u16::try_from(self.fields.len()).unwrap_or(u16::MAX);
        for word in [self.id, count, self.scopes] {
            draft.body().extend_from_slice(&word.to_be_bytes());
        }
        for field in self.fields {
            field.put(own_pen, draft.body());
        }
    }

    /// Octets of the template as a set of its own, at most.
    const fn octets(&self) -> usize {
        SET_HEADER + 6 + self.fields.len() * 8
    }
}

/// Appends a text of fewer than 255 octets with its length; a longer one is cut.
fn put_short(text: &str, out: &mut Vec<u8>) {
    let text = crate::wire::utf8_prefix(text, 254);
    out.push(u8::try_from(text.len()).unwrap_or(0));
    out.extend_from_slice(text.as_bytes());
}
