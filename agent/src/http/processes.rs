//! `/api/processes`: the processes of the latest flows.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use pidflow_schema::ProcessUsage;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::flows::gone;
use super::paged::{self, Page, Walked};
use super::problem::{AnyRefusal, Problem};
use super::query::{AtCursor, Limit, Moment, Name, Pid, QueryParameters};
use crate::published::Published;
use crate::published::recent::cursor::Place;
use crate::published::recent::{Known, Sums};
use crate::select::{Period, ProcessFilter};

const MILLISECOND_NS: u64 = 1_000_000;

/// Query parameters. All given conditions must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Name, in full.
    #[param(inline)]
    process: Option<Name>,
    /// Number.
    #[param(inline)]
    pid: Option<Pid>,
    /// User, name or number.
    #[param(inline)]
    user: Option<Name>,
    /// Container id, or its beginning.
    #[param(inline)]
    container: Option<Name>,
    /// Namespace of the Kubernetes pod.
    #[param(inline)]
    namespace: Option<Name>,
    /// Kubernetes pod, in full.
    #[param(inline)]
    pod: Option<Name>,
    /// Only processes with a flow at this time or later: milliseconds since 1970, or RFC 3339.
    #[param(inline)]
    since: Option<Moment>,
    /// Only processes with a flow at this time or earlier.
    #[param(inline)]
    until: Option<Moment>,
    /// Maximum number of entries of a page. Default: 100.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next_cursor` of an earlier answer, to get its next page.
    #[param(inline)]
    cursor: Option<AtCursor>,
}

impl Query {
    fn process(&self) -> ProcessFilter {
        ProcessFilter {
            name: self.process.clone().map(|n| n.0),
            pid: self.pid.map(|p| p.0),
            user: self.user.clone().map(|n| n.0),
            container: self.container.clone().map(|n| n.0),
            namespace: self.namespace.clone().map(|n| n.0),
            pod: self.pod.clone().map(|n| n.0),
        }
    }

    fn period(&self) -> Period {
        Period { since: self.since.map(|m| m.0), until: self.until.map(|m| m.0) }
    }
}

/// The processes that have or had flows, most recently known first, with parents, resources and sums
///
/// At most 10000; the least recently seen is evicted first. Sums include the records since the process became known.
/// `forgotten` is true if a process was evicted since the first of these pages was requested, so that some may be
/// missing.
#[utoipa::path(
    get,
    path = "/api/processes",
    operation_id = "processes",
    params(Query),
    responses(
        (status = 200, description = "The processes.", body = ProcessPage),
        (status = 410, description = "The cursor belongs to an earlier run of the agent.", body = String, content_type = "text/plain"),
        AnyRefusal
    )
)]
pub(super) async fn page(
    State(published): State<Published>,
    QueryParameters(query): QueryParameters<Query>,
) -> Result<Response, Problem> {
    let walk = AtCursor::or_start(query.cursor).ok_or_else(gone)?;
    let limit = Limit::or_usual(query.limit);
    let (process, period) = (query.process(), query.period());
    let (found, forgotten) = published.recent.processes(walk.before, limit, |known| {
        period.overlaps(known.first_ns, known.last_ns) && process.matches(&known.process)
    });
    let mark = walk.mark.unwrap_or(forgotten);
    let found = found.into_iter().map(|known| (Place(known.place), known)).collect();
    let encode = |known: &Arc<Known>, out: &mut Vec<u8>| {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut *out, &Process::new(known));
        out.push(b'\n');
    };
    Ok(Page::new("processes", found, limit, Walked { mark, forgotten: forgotten > mark }).into_response(encode))
}

/// A page of processes.
struct ProcessPage;

impl PartialSchema for ProcessPage {
    fn schema() -> RefOr<Schema> {
        paged::schema("processes", &Process::name())
    }
}

impl ToSchema for ProcessPage {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Process::name().into_owned(), Process::schema()));
        Process::schemas(schemas);
    }
}

/// A process. Unknown values are absent.
#[derive(Debug, Serialize, ToSchema)]
struct Process<'a> {
    /// Process number in the host's PID namespace.
    pid: u32,
    /// Start, milliseconds since 1970; with `pid` its identity.
    start_time: u64,
    name: &'a str,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    /// Real user id, as last read from /proc.
    #[serde(skip_serializing_if = "Option::is_none")]
    real_uid: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    real_user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<Login<'a>>,
    /// Process number in its innermost PID namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_pid: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    executable: &'a str,
    /// Whether the executable was deleted or replaced while the process ran.
    #[serde(skip_serializing_if = "is_false")]
    executable_deleted: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    command_line: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    container_id: &'a str,
    /// `containerd`, `cri-o`, `docker` or `podman`.
    #[serde(skip_serializing_if = "str::is_empty")]
    container_runtime: &'a str,
    /// systemd's system unit.
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    /// Unit of a user's service manager.
    #[serde(skip_serializing_if = "str::is_empty")]
    user_unit: &'a str,
    /// Slice of `unit`.
    #[serde(skip_serializing_if = "str::is_empty")]
    slice: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<Pod<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    father: Option<Father<'a>>,
    /// Its parents as `name(pid)` joined by `<`, nearest first, to PID 1.
    #[serde(skip_serializing_if = "str::is_empty")]
    ancestors: &'a str,
    /// Start of its earliest flow, milliseconds since 1970.
    first_seen: u64,
    /// End of its latest flow, milliseconds since 1970.
    last_seen: u64,
    #[serde(flatten)]
    usage: Usage,
    #[serde(flatten)]
    sums: Totals,
}

/// The login that started it. sudo and su do not change it.
#[derive(Debug, Serialize, ToSchema)]
struct Login<'a> {
    uid: u32,
    user: &'a str,
    /// Audit session, numbered since boot.
    session: u32,
}

/// The Kubernetes pod of its container.
#[derive(Debug, Serialize, ToSchema)]
struct Pod<'a> {
    namespace: &'a str,
    name: &'a str,
    /// The container's name within the pod.
    container: &'a str,
}

/// Its parent process.
#[derive(Debug, Serialize, ToSchema)]
struct Father<'a> {
    pid: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
}

/// Its resource usage during the latest flow for which it is known.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    /// Resident memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_actual: Option<u64>,
    /// Its peak, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_peak: Option<u64>,
    /// CPU during that flow, percent of one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    /// Share of that flow's time spent waiting for block I/O, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    iowait_percent: Option<f64>,
    /// Minor page faults during that flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    minor_faults: Option<u64>,
    /// Major page faults during that flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    major_faults: Option<u64>,
}

/// Sums over its records.
#[derive(Debug, Serialize, ToSchema)]
struct Totals {
    /// Flows that ended.
    flows: u64,
    /// Records in which it is the source (client).
    records_as_source: u64,
    /// Records in which it is the destination (server).
    records_as_destination: u64,
    /// Its failed connection attempts.
    failures: u64,
    /// Bytes that it sent, from the IP header on.
    bytes_sent: u64,
    /// Bytes that it received.
    bytes_received: u64,
    /// Packets that it sent.
    packets_sent: u64,
    /// Packets that it received.
    packets_received: u64,
}

impl<'a> Process<'a> {
    fn new(known: &'a Known) -> Self {
        let p = &known.process;
        Self {
            pid: p.pid,
            start_time: p.start_ns / MILLISECOND_NS,
            name: &p.name,
            user: &p.user,
            uid: pidflow_schema::Process::known_uid(p.uid),
            real_uid: p.real_uid,
            real_user: &p.real_user,
            login: p.login.map(|l| Login { uid: l.uid, user: &p.login_user, session: l.session }),
            inner_pid: p.inner_pid,
            executable: &p.executable,
            executable_deleted: p.is_deleted,
            command_line: &p.command_line,
            container_id: &p.placement.container_id,
            container_runtime: &p.placement.container_runtime,
            unit: &p.placement.unit,
            user_unit: &p.placement.user_unit,
            slice: &p.placement.slice,
            pod: p.pod.as_deref().map(Pod::from),
            father: Father::of(p),
            ancestors: &p.ancestors,
            first_seen: known.first_ns / MILLISECOND_NS,
            last_seen: known.last_ns / MILLISECOND_NS,
            usage: Usage::from(known.usage.unwrap_or_default()),
            sums: Totals::from(known.sums),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> Father<'a> {
    fn of(p: &'a pidflow_schema::Process) -> Option<Self> {
        let father = Self {
            pid: p.parent_pid,
            name: &p.parent_name,
            uid: p.parent_uid.and_then(pidflow_schema::Process::known_uid),
            user: &p.parent_user,
        };
        (p.parent_pid != 0).then_some(father)
    }
}

impl<'a> From<&'a pidflow_schema::Pod> for Pod<'a> {
    fn from(pod: &'a pidflow_schema::Pod) -> Self {
        Self { namespace: &pod.namespace, name: &pod.name, container: &pod.container }
    }
}

/// Converts percent × 100.
pub(super) fn percent(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

impl From<ProcessUsage> for Usage {
    fn from(u: ProcessUsage) -> Self {
        Self {
            memory_actual: u.memory_actual,
            memory_peak: u.memory_peak,
            cpu_percent: u.cpu_load.map(percent),
            iowait_percent: u.iowait.map(percent),
            minor_faults: u.minor_faults,
            major_faults: u.major_faults,
        }
    }
}

impl From<Sums> for Totals {
    fn from(s: Sums) -> Self {
        Self {
            flows: s.flows,
            records_as_source: s.as_source,
            records_as_destination: s.as_destination,
            failures: s.failures,
            bytes_sent: s.octets_sent,
            bytes_received: s.octets_received,
            packets_sent: s.packets_sent,
            packets_received: s.packets_received,
        }
    }
}
