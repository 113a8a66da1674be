//! Short constructors for the rows of the table.

use crate::element::{DataType, Element, Enterprise, Length, Semantics, Unit, Write};
use crate::group::Group;
use crate::record::FlowRecord;
use crate::value::Value;

use super::{NTOP_V9_BASE, OWN_V9_BASE};

type Read = fn(&FlowRecord) -> Option<Value<'_>>;

const fn v9_type(enterprise: Enterprise, id: u16) -> Option<u16> {
    match enterprise {
        Enterprise::Iana => Some(id),
        Enterprise::Reverse => None,
        Enterprise::Ntop => Some(NTOP_V9_BASE + id),
        Enterprise::Pidflow => Some(OWN_V9_BASE + id),
    }
}

/// A row: names, number and read function. The methods below set the rest.
pub(super) const fn row(
    name: &'static str,
    ipfix_name: &'static str,
    number: (Enterprise, u16),
    data_type: DataType,
    read: Read,
) -> Element {
    let (length, v9_length) = match data_type.octets() {
        Some(n) => (Length::Fixed(n), n),
        None => (Length::Variable { v9: 16 }, 16),
    };
    Element {
        name,
        aliases: &[],
        ipfix_name,
        enterprise: number.0,
        id: number.1,
        v9: v9_type(number.0, number.1),
        data_type,
        length,
        v9_length,
        unit: Unit::None,
        semantics: Semantics::Default,
        group: Group::Always,
        otel: None,
        doc: "",
        read,
        write: None,
    }
}

impl Element {
    pub(super) const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    pub(super) const fn writes(mut self, write: Write) -> Self {
        self.write = Some(write);
        self
    }

    pub(super) const fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    pub(super) const fn otel(mut self, name: &'static str) -> Self {
        self.otel = Some(name);
        self
    }

    pub(super) const fn unit(mut self, unit: Unit, semantics: Semantics) -> Self {
        self.unit = unit;
        self.semantics = semantics;
        self
    }

    pub(super) const fn identifier(mut self) -> Self {
        self.semantics = Semantics::Identifier;
        self
    }

    pub(super) const fn flags(mut self) -> Self {
        self.semantics = Semantics::Flags;
        self
    }

    pub(super) const fn aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// Sets NetFlow v9 type and length, if they differ from IPFIX's.
    pub(super) const fn v9(mut self, field_type: u16, length: u16) -> Self {
        self.v9 = Some(field_type);
        self.v9_length = length;
        self
    }

    /// Not sent in NetFlow v9.
    pub(super) const fn not_in_v9(mut self) -> Self {
        self.v9 = None;
        self
    }

    /// Sets the length of a string in NetFlow v9, octets.
    pub(super) const fn v9_text(mut self, octets: u16) -> Self {
        self.length = Length::Variable { v9: octets };
        self.v9_length = octets;
        self
    }
}
