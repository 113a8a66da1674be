//! An element of the table as `pidflow fields --json` and `/api/elements` show it.

use pidflow_schema::Element;
use serde::Serialize;
use utoipa::ToSchema;

/// One element of a flow record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Element)]
pub(crate) struct ElementDescription {
    /// Name in templates (`%NAME`), and key of JSON records.
    name: &'static str,
    /// Key of JSON records with `--json-keys numbers`.
    numeric_key: String,
    /// Further names that templates may use.
    aliases: &'static [&'static str],
    /// IPFIX name.
    ipfix_name: &'static str,
    /// Private enterprise number; null: IANA's registry.
    enterprise: Option<u32>,
    /// IPFIX element id.
    id: u16,
    /// NetFlow v9 field type; null: not sent there.
    netflow9: Option<u16>,
    /// RFC 7012 abstract data type.
    #[serde(rename = "type")]
    data_type: &'static str,
    /// Length in IPFIX, bytes; null: variable.
    octets: Option<u16>,
    /// Unit; empty: none.
    unit: &'static str,
    /// RFC 7012 semantics.
    semantics: &'static str,
    /// OpenTelemetry attribute; null: a field of the log record itself has the value.
    otel: Option<&'static str>,
    /// Meaning.
    description: &'static str,
}

impl ElementDescription {
    /// With the private enterprise number that pidflow's own elements have.
    pub(crate) fn new(e: &Element, own_pen: u32) -> Self {
        Self {
            name: e.name,
            numeric_key: e.numeric_key(own_pen),
            aliases: e.aliases,
            ipfix_name: e.ipfix_name,
            enterprise: e.enterprise.number(own_pen),
            id: e.id,
            netflow9: e.v9,
            data_type: e.data_type.name(),
            octets: e.data_type.octets(),
            unit: e.unit.name(),
            semantics: e.semantics.name(),
            otel: e.otel,
            description: e.doc,
        }
    }
}
