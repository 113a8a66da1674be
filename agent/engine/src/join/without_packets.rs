//! Records of failed connects of which no packet was seen.

use pidflow_schema::{Attribution, Flow, FlowEndDetail, FlowEndReason, FlowRecord, InitiatorBasis, ProcessEnd};

use super::Joiner;
use super::failures::{FailedConnect, known_errno};
use crate::fact::Socket;
use crate::socket_index::{FlowEnd, Found, Role};

/// Which packets of a network namespace are captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CapturedPaths {
    /// Those of all interfaces, or it is not known.
    #[default]
    All,
    /// Those of some interfaces, but not of loopback.
    BeyondLoopback,
    /// Only those of loopback.
    Loopback,
}

impl Joiner {
    /// Which packets of the agent's own network namespace are captured. Failed connects on other paths are not reported.
    #[must_use]
    pub const fn with_paths(mut self, paths: CapturedPaths) -> Self {
        self.paths = paths;
        self
    }

    /// Whether packets of a connect would be captured if it sent any.
    fn is_captured(&self, socket: &Socket) -> bool {
        let is_own = socket.netns == self.own_netns || socket.netns == 0 || self.own_netns == 0;
        let leaves = || self.sockets.leaves_namespace(socket);
        match self.paths {
            _ if !is_own => self.captured.contains(&socket.netns) && leaves(),
            CapturedPaths::All => true,
            CapturedPaths::BeyondLoopback => leaves(),
            CapturedPaths::Loopback => !leaves(),
        }
    }

    /// Records of connection attempts that failed before `before_ns` and of which no packet was seen, where packets are
    /// captured and `is_selected` is true.
    pub fn take_failed_attempts(
        &mut self,
        before_ns: u64,
        mut is_selected: impl FnMut(&Socket) -> bool,
    ) -> Vec<FlowRecord> {
        let due = self.failures.take_due(before_ns);
        let (captured, elsewhere): (Vec<_>, Vec<_>) = due.iter().partition(|f| self.is_captured(&f.socket));
        let (selected, filtered): (Vec<_>, Vec<_>) =
            captured.into_iter().partition(|f: &&FailedConnect| is_selected(&f.socket));
        self.counters.failed_elsewhere += elsewhere.len() as u64;
        self.counters.failed_filtered += filtered.len() as u64;
        selected.into_iter().map(|f| self.without_packets(f)).collect()
    }

    fn without_packets(&mut self, failed: &FailedConnect) -> FlowRecord {
        let flow = failed.flow();
        let process = Found {
            process: failed.process,
            attribution: Attribution::SocketEvent,
            role: Role::Connects,
            netns: failed.socket.netns,
            other: None,
            translated_from: None,
        };
        let source = self.known(&process, (flow.first_ns, flow.last_ns));
        let end = FlowEnd::destination(&flow);
        let endpoint = self.tenants.endpoint(&end, flow.destination, None);
        let destination = ProcessEnd { endpoint, ..ProcessEnd::unknown(self.why(&end)) };
        self.counters.without_packets += 1;
        self.count(&source, &destination);
        let connect_error = known_errno(failed.errno);
        FlowRecord { source, destination, connect_error, ..FlowRecord::without_processes(flow, Attribution::NoSocket) }
    }
}

impl FailedConnect {
    fn flow(&self) -> Flow {
        let socket = &self.socket;
        let (source, destination) = ((socket.local, socket.local_port), (socket.remote, socket.remote_port));
        Flow {
            end_reason: FlowEndReason::EndOfFlow,
            end_detail: FlowEndDetail::ConnectFailed,
            initiator: InitiatorBasis::Socket,
            network_namespace: (socket.netns != 0).then_some(socket.netns),
            ..Flow::new(socket.protocol, source, destination, (self.since_ns, self.time_ns))
        }
    }
}
