//! The inspector of the flow table.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use pidflow_engine::inspection::{Inspector, Verdict};
use pidflow_schema::Classification;

use crate::NdpiError;
use crate::library::Library;
use crate::module::{Finding, FlowMemory, Module};
use crate::trial;

/// Results that are kept to be shared. Beyond it, all are forgotten.
const MAX_SHARED: usize = 4096;

/// nDPI, with the flows that it has not classified yet.
#[derive(Debug)]
pub struct Ndpi {
    flows: HashMap<u64, FlowMemory>,
    shared: HashMap<(u16, u16, u32, u32, u64), Arc<Classification>>,
    module: Module,
}

impl Ndpi {
    /// Loads the library, tests it, and reads custom protocols from a file in nDPI's own format. There can be one at a time in a
    /// process.
    ///
    /// # Errors
    /// The library is not installed, of an unknown version, or built in another way; or the file cannot be read.
    pub fn load(protocols: Option<&Path>) -> Result<Self, NdpiError> {
        let mut module = Module::new(Library::open()?, protocols)?;
        trial::run(&mut module)?;
        Ok(Self { flows: HashMap::new(), shared: HashMap::new(), module })
    }

    /// Version of the library.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.module.library.version
    }

    /// The flow has been classified.
    fn end(&mut self, flow: FlowMemory, finding: &Finding) -> Verdict {
        self.module.free(flow);
        let Finding { protocol, confidence, risks } = *finding;
        if (protocol.master, protocol.application) == (0, 0) {
            return None;
        }
        if self.shared.len() >= MAX_SHARED {
            self.shared.clear();
        }
        let key = (protocol.master, protocol.application, protocol.category, confidence, risks);
        let module = &mut self.module;
        let shared = self.shared.entry(key).or_insert_with(|| Arc::new(describe(module, finding)));
        Some(Arc::clone(shared))
    }
}

fn describe(module: &mut Module, finding: &Finding) -> Classification {
    let Finding { protocol, confidence, risks } = *finding;
    let [name, category, breed] = module.names(protocol).map(Arc::from);
    let risk_names: Vec<String> =
        (0..u64::BITS).filter(|bit| risks & (1 << bit) != 0).map(|bit| module.risk_name(bit)).collect();
    let application = if protocol.application == 0 { protocol.master } else { protocol.application };
    Classification {
        master: protocol.master,
        application,
        name,
        category,
        breed,
        confidence: u8::try_from(confidence).ok(),
        risks,
        risk_names: risk_names.join(",").into(),
        risk_score: module.risk_score(risks),
    }
}

impl Inspector for Ndpi {
    fn see(&mut self, id: u64, packet: &[u8], time_ms: u64) -> Option<Verdict> {
        let mut flow = self.flows.remove(&id).unwrap_or_else(|| self.module.flow());
        let protocol = self.module.see(&mut flow, packet, time_ms);
        if protocol.application == 0 || self.module.expects_more(&mut flow) {
            self.flows.insert(id, flow);
            return None;
        }
        let finding = self.module.finding(&flow, protocol);
        Some(self.end(flow, &finding))
    }

    fn conclude(&mut self, id: u64) -> Verdict {
        let mut flow = self.flows.remove(&id)?;
        let protocol = self.module.give_up(&mut flow);
        let finding = self.module.finding(&flow, protocol);
        self.end(flow, &finding)
    }

    fn bytes_per_flow(&self) -> usize {
        self.module.flow_bytes() + size_of::<(u64, FlowMemory)>()
    }
}

impl Drop for Ndpi {
    fn drop(&mut self) {
        self.flows.drain().for_each(|(_, flow)| self.module.free(flow));
    }
}
