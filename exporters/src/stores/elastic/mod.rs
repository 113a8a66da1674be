//! Elasticsearch and OpenSearch: documents over `_bulk`.

mod action;
pub(super) mod answer;

use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::config::ElasticConfig;
use crate::delivery::{Failure, Retry, Sent};
use crate::json::{JsonEncoder, JsonKeys};
use crate::net::{HttpClient, Refusal, one_line};
use crate::sink::Parts;
use crate::template::Template;

use super::Store;

use action::Actions;
use answer::{DocumentOutcome, Verdict};

/// Asks the server to leave out the parts of the answer that are not used.
const PATH: &str = "/_bulk?filter_path=errors,items.*.status,items.*.error";

/// One cluster.
pub(crate) struct Elastic {
    http: HttpClient,
    actions: Actions,
    encoder: JsonEncoder,
    /// Action and document of each record that the cluster has not yet accepted or refused.
    body: Vec<u8>,
    /// The end of each of them in the body.
    ends: Vec<usize>,
}

impl Elastic {
    pub(crate) fn new(config: &ElasticConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        Ok(Self {
            http: HttpClient::new(&config.http)?,
            actions: Actions::new(&config.index),
            encoder: JsonEncoder::new(&template, JsonKeys::Names, parts.context.own_pen).with_timestamp(),
            body: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Keeps the documents that must be sent again.
    fn keep(&mut self, fates: &[DocumentOutcome]) {
        let (body, ends) = (std::mem::take(&mut self.body), std::mem::take(&mut self.ends));
        let mut start = 0;
        for (end, fate) in ends.into_iter().zip(fates) {
            if *fate == DocumentOutcome::Later {
                self.body.extend_from_slice(body.get(start..end).unwrap_or_default());
                self.ends.push(self.body.len());
            }
            start = end;
        }
    }

    fn judge(&mut self, verdict: &Verdict) -> Result<Sent, Failure> {
        let sent = Sent {
            records: verdict.count(DocumentOutcome::Taken),
            octets: self.body.len(),
            rejected: verdict.count(DocumentOutcome::Refused),
            left_out: 0,
        };
        let reason = verdict.reason.as_deref().map(one_line).unwrap_or_default();
        let (all, later, refused) = (verdict.fates.len(), verdict.count(DocumentOutcome::Later), sent.rejected);
        self.keep(&verdict.fates);
        match (later, refused) {
            (0, 0) => Ok(sent),
            (0, _) => Err(Failure {
                retry: Retry::Never,
                sent,
                ..Failure::passing(format!("{refused} of {all} documents refused: {reason}"))
            }),
            (_, 0) => {
                Err(Failure { sent, ..Failure::passing(format!("{later} of {all} documents deferred: {reason}")) })
            }
            _ => Err(Failure {
                sent,
                ..Failure::passing(format!(
                    "of {all} documents {refused} refused permanently, {later} deferred: {reason}"
                ))
            }),
        }
    }
}

impl Store for Elastic {
    fn fill(&mut self, records: &[FlowRecord]) {
        self.body.clear();
        self.ends.clear();
        for record in records {
            self.actions.put(record.flow.last_ns, &mut self.body);
            self.encoder.encode(std::slice::from_ref(record), &mut self.body);
            self.ends.push(self.body.len());
        }
    }

    fn send(&mut self, _records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal> {
        let answer = self.http.post(PATH, "application/x-ndjson", &self.body, limit)?;
        if !answer.is_success() {
            return Err(answer.refusal());
        }
        let verdict = answer::read(&answer.body, self.ends.len());
        let verdict = verdict.map_err(|e| Failure::passing(format!("cannot parse the answer: {e}")))?;
        Ok(self.judge(&verdict)?)
    }
}
