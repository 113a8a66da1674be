//! Answers to `_bulk` requests: the outcome of each document.

use serde::Deserialize;

/// The whole answer.
#[derive(Deserialize)]
struct BulkAnswer {
    errors: bool,
    items: Vec<Item>,
}

/// The answer for one action, which is always `create` here.
#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    r#type: String,
    reason: Option<String>,
}

/// The result of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentOutcome {
    /// The document is in the index.
    Taken,
    /// Deferred: to be sent again.
    Later,
    /// Refused permanently.
    Refused,
}

/// The outcome of all documents of a request.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// One for each document, in their order.
    pub(crate) fates: Vec<DocumentOutcome>,
    /// Status and reason of the first document that was refused, or else of the first to be sent again.
    pub(crate) reason: Option<String>,
}

impl Verdict {
    pub(crate) fn count(&self, fate: DocumentOutcome) -> usize {
        self.fates.iter().filter(|f| **f == fate).count()
    }
}

/// Parses the answer to a request of that many documents. The error describes what cannot be parsed.
pub(crate) fn read(body: &[u8], documents: usize) -> Result<Verdict, String> {
    let answer: BulkAnswer = serde_json::from_slice(body).map_err(|e| format!("not an answer to _bulk: {e}"))?;
    let outcomes: Vec<_> = answer.items.into_iter().map(|i| i.create).collect();
    if outcomes.len() != documents {
        return Err(format!("it covers {} documents, but {documents} were sent", outcomes.len()));
    }
    let fates: Vec<_> = outcomes.iter().map(|o| fate(o.status)).collect();
    if !answer.errors && fates.iter().any(|f| *f != DocumentOutcome::Taken) {
        return Err("it reports no errors, but contains one".into());
    }
    let first = |fate| fates.iter().zip(&outcomes).find(|(f, _)| **f == fate).map(|(_, o)| reason(o));
    let reason = first(DocumentOutcome::Refused).or_else(|| first(DocumentOutcome::Later));
    Ok(Verdict { fates, reason })
}

/// A document whose id already exists was stored by an earlier attempt. If the index is missing or not writable (also
/// because the cluster's disks are full), the document itself is valid, and waits.
const fn fate(status: u16) -> DocumentOutcome {
    match status {
        200..=299 | 409 => DocumentOutcome::Taken,
        401 | 403 | 404 | 429 | 500..=599 => DocumentOutcome::Later,
        _ => DocumentOutcome::Refused,
    }
}

fn reason(outcome: &Outcome) -> String {
    let status = outcome.status;
    match &outcome.error {
        Some(Cause { r#type, reason: Some(reason) }) => format!("status {status}, {type}: {reason}"),
        Some(Cause { r#type, reason: None }) => format!("status {status}, {type}"),
        None => format!("status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_a_fate() {
        let body = r#"{"took":3,"errors":true,"items":[{"create":{"_index":"i","status":201,"_shards":{"total":2}}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},
            {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue full"}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad","caused_by":{}}}}]}"#;
        let verdict = read(body.as_bytes(), 4).unwrap();
        assert_eq!(
            verdict.fates,
            [DocumentOutcome::Taken, DocumentOutcome::Taken, DocumentOutcome::Later, DocumentOutcome::Refused]
        );
        assert_eq!(verdict.reason.as_deref(), Some("status 400, document_parsing_exception: bad"));
    }

    #[test]
    fn a_malformed_answer_is_an_error() {
        let error = |body: &str| read(body.as_bytes(), 1).unwrap_err();
        for body in ["", "{}", "[]", "OK", r#"{"items":[]}"#, r#"{"errors":false,"items":[{"index":{"status":201}}]}"#]
        {
            assert!(error(body).starts_with("not an answer"), "{body}");
        }
        assert!(error(r#"{"errors":false,"items":[{"create":{"status":201}}]} x"#).starts_with("not an answer"));
        assert!(error(r#"{"errors":false,"items":[]}"#).contains("0 documents, but 1"));
        assert!(error(r#"{"errors":false,"items":[{"create":{"status":500}}]}"#).contains("no errors"));
    }
}
