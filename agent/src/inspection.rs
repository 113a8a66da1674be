//! Starts nDPI, if it is wanted and there.

use anyhow::Result;
use pidflow_engine::decode::DecodeRules;
use pidflow_engine::flow_table::FlowTable;
use pidflow_engine::inspection::{InspectedShare, Inspector};

use crate::config::options::NdpiOptions;

/// What classifies flows.
pub(crate) struct Inspection {
    inspector: Box<dyn Inspector>,
    share: InspectedShare,
}

impl Inspection {
    /// Has the flows of this table classified.
    pub(crate) fn attach(self, table: &mut FlowTable, max_bytes: usize) {
        table.set_inspector(self.inspector, self.share, max_bytes);
    }
}

/// The rules of a decoder, which copies packets if flows are classified.
pub(crate) fn rules(rules: DecodeRules, inspection: Option<&Inspection>) -> DecodeRules {
    DecodeRules { inspected: inspection.map(|inspection| inspection.share), ..rules }
}

/// Loads nDPI; none: it is not wanted, or a warning says why it is not there.
///
/// # Errors
/// This program was built without it, or the file with protocols cannot be read.
pub(crate) fn start(options: &NdpiOptions) -> Result<Option<Inspection>> {
    if !options.is_on() {
        return Ok(None);
    }
    Ok(load(options)?.map(|inspector| Inspection { inspector, share: options.share() }))
}

#[cfg(feature = "ndpi")]
fn load(options: &NdpiOptions) -> Result<Option<Box<dyn Inspector>>> {
    use pidflow_ndpi::{Ndpi, NdpiError};

    match Ndpi::load(options.protocols.as_deref()) {
        Ok(ndpi) => {
            tracing::info!("nDPI {} classifies flows", ndpi.version());
            Ok(Some(Box::new(ndpi)))
        }
        Err(e @ NdpiError::Protocols(_)) => Err(e.into()),
        Err(e) => {
            tracing::warn!("flows are not classified: {e}");
            Ok(None)
        }
    }
}

#[cfg(not(feature = "ndpi"))]
fn load(_: &NdpiOptions) -> Result<Option<Box<dyn Inspector>>> {
    anyhow::bail!("this pidflow was built without nDPI: build it with `--features ndpi`, or leave out --ndpi")
}
