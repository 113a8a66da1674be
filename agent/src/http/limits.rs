//! Limits per client and listener, so that slow and greedy clients cost little.

use std::time::Duration;

/// Connections at once on which something has arrived. Beyond it, connections of the client with the most are closed.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// Connections at once on which nothing has arrived yet, unless the limit on open files is low.
pub(super) const MAX_SILENT_CONNECTIONS: usize = 1024;
/// Connections that the kernel may hold until they are accepted; it takes `net.core.somaxconn` if that is less.
pub(super) const ACCEPT_BACKLOG: i32 = 4096;
/// For the TLS handshake, and for a request to arrive once it has begun.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take, until the client has read it.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be open without a request.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request waits for its client's share of CPU time before it is refused.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);
/// Bytes of a request's head that are held; hyper may hold twice as many.
pub(super) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Bytes of its header fields, names and values.
pub(super) const MAX_FIELD_BYTES: usize = 16 * 1024;
/// Bytes of its URI.
pub(super) const MAX_URI_BYTES: usize = 8 * 1024;
/// Bytes of its body, which no page needs.
pub(super) const MAX_BODY_BYTES: u64 = 8 * 1024;
/// Entries of one page of an answer.
pub(super) const MAX_PAGE_ENTRIES: usize = 500;
/// Entries of a page when the request sets no limit.
pub(super) const DEFAULT_PAGE_ENTRIES: usize = 100;
/// Bytes of one page of an answer; the entry that crosses the limit is the page's last.
pub(super) const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
