//! Flows that end because time passes.

use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

use super::FlowTable;

/// Most records that one call of [`FlowTable::expire`] gives out.
const EXPIRE_BATCH: usize = 8192;

impl FlowTable {
    /// Gives the records of all flows that have ended by `now_ns` (packet time), at most some thousands per call.
    /// True: there are more.
    pub fn expire(&mut self, now_ns: u64, out: &mut Vec<Flow>) -> bool {
        let most = out.len() + EXPIRE_BATCH;
        self.expire_closing(now_ns, most, out);
        self.expire_idle(now_ns, most, out);
        self.expire_old(now_ns, most, out);
        out.len() >= most
    }

    fn expire_closing(&mut self, now_ns: u64, most: usize, out: &mut Vec<Flow>) {
        while let Some(slot) = self.closing.first().filter(|_| out.len() < most) {
            let entry = self.slab.get(slot);
            if now_ns.saturating_sub(entry.listed_ns) < self.config.linger_ns {
                break;
            }
            self.end(slot, FlowEndReason::EndOfFlow, entry.state.detail(), out);
        }
    }

    fn expire_idle(&mut self, now_ns: u64, most: usize, out: &mut Vec<Flow>) {
        let Some(idle_ns) = self.config.idle_timeout_ns else { return };
        while let Some(slot) = self.idle.first().filter(|_| out.len() < most) {
            if now_ns.saturating_sub(self.slab.get(slot).last_ns) < idle_ns {
                break;
            }
            self.end(slot, FlowEndReason::IdleTimeout, FlowEndDetail::None, out);
        }
    }

    fn expire_old(&mut self, now_ns: u64, most: usize, out: &mut Vec<Flow>) {
        let Some(active_ns) = self.config.active_timeout_ns else { return };
        while let Some(slot) = self.by_age.first().filter(|_| out.len() < most) {
            if now_ns.saturating_sub(self.slab.get(slot).first_ns) < active_ns {
                break;
            }
            self.record(slot, FlowEndReason::ActiveTimeout, FlowEndDetail::None, out);
            self.begin_record(slot, now_ns);
        }
    }
}
