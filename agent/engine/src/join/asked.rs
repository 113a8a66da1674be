//! Gives the ends of flows the names that the processes at the other ends asked for.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Application, Attribution, Counters, Flow, FlowEndReason, ProcessEnd};

use super::Joiner;
use crate::application::NameAnswer;
use crate::fact::ProcessId;
use crate::socket_index::FlowEnd;

impl Joiner {
    /// Looks up the processes that got the responses of DNS up to `until_ns`. By then the facts on their sockets have arrived.
    pub(super) fn attribute_names(&mut self, until_ns: u64) {
        while let Some(answer) = self.names.next_until(until_ns) {
            match self.sockets.find(&FlowEnd::source(&exchange(&answer))) {
                Ok(found) if found.attribution != Attribution::ListenerOnly => self.names.add(found.process, &answer),
                _ => self.counters.names_without_process += 1,
            }
        }
    }

    /// Names each end as the process at the other end (`asking`) asked for it.
    pub(super) fn name_ends(&mut self, flow: &Flow, asking: [Option<ProcessId>; 2], ends: [&mut ProcessEnd; 2]) {
        let ([source, destination], [by_source, by_destination]) = (ends, asking);
        self.name_end(flow, (by_source, flow.destination), destination);
        self.name_end(flow, (by_destination, flow.source), source);
    }

    fn name_end(&mut self, flow: &Flow, (asking, address): (Option<ProcessId>, IpAddr), end: &mut ProcessEnd) {
        let Some(key) = asking.map(|process| (process, address)) else { return };
        let said = flow.application.as_deref().and_then(Application::server_name);
        let Some(name) = self.names.find(key, flow.first_ns, said) else { return };
        if flow.end_reason == FlowEndReason::ActiveTimeout {
            self.names.prolong(key, &name, flow.last_ns);
        }
        Arc::make_mut(end.endpoint.get_or_insert_default()).name = name;
    }
}

/// The query and the response as a flow of the asking socket.
fn exchange(answer: &NameAnswer) -> Flow {
    let one = Counters { packets: 1, ..Counters::default() };
    Flow {
        forward: one,
        reverse: one,
        network_namespace: answer.network_namespace,
        ..Flow::new(answer.protocol, answer.client, answer.server, (answer.time_ns, answer.time_ns))
    }
}
