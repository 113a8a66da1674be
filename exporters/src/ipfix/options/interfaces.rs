//! Names of interfaces by the index that flow records have (ingressInterface).

use crate::wire::Draft;

use super::super::{SET_HEADER, VARIABLE};
use super::{Field, Layout, put_short};

const LAYOUT: Layout = Layout {
    id: 65_003,
    scopes: 1,
    fields: &[
        Field::Iana(10, 4),        // ingressInterface
        Field::Iana(82, VARIABLE), // interfaceName
    ],
};

/// Appends one interface with the options template.
pub(in crate::ipfix) fn put_interface(index: u32, name: &str, draft: &mut Draft) {
    LAYOUT.put(0, draft);
    draft.open(LAYOUT.id);
    draft.body().extend_from_slice(&index.to_be_bytes());
    put_short(name, draft.body());
    draft.count_option();
}

/// Octets that [`put_interface`] appends, at most.
pub(in crate::ipfix) const fn interface_octets(name: &str) -> usize {
    LAYOUT.octets() + SET_HEADER + 5 + name.len()
}
