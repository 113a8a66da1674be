//! Limits per client and listener, so that slow and greedy clients use few resources.

use std::time::Duration;

/// Maximum number of connections on which something has arrived. Beyond it, connections of the client with the most are
/// closed.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// Maximum number of connections on which nothing has arrived yet, unless the limit on open files is low.
pub(super) const MAX_SILENT_CONNECTIONS: usize = 1024;
/// Backlog: connections that wait in the kernel to be accepted, in order of arrival. Few, because a health check waits behind
/// all of them: on a host so busy that a thousand are accepted in a second, 4096 take four seconds. A client whose
/// connection finds no room tries again after a second.
pub(super) const ACCEPT_BACKLOG: i32 = 1024;
/// Time limit for the TLS handshake, and for a request to arrive once it has begun.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take, until the client has read it.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be open without a request.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request waits for CPU time of its client before it is refused.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);
/// Maximum buffered bytes of a request's head; hyper may buffer twice as many.
pub(super) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Maximum bytes of the header fields, names and values.
pub(super) const MAX_FIELD_BYTES: usize = 16 * 1024;
/// Maximum bytes of the URI.
pub(super) const MAX_URI_BYTES: usize = 8 * 1024;
/// Maximum bytes of the body, which no page needs.
pub(super) const MAX_BODY_BYTES: u64 = 8 * 1024;
/// Maximum number of entries of one page of an answer.
pub(super) const MAX_PAGE_ENTRIES: usize = 500;
/// Number of entries of a page if the request sets no limit.
pub(super) const DEFAULT_PAGE_ENTRIES: usize = 100;
/// Maximum bytes of one page of an answer; the entry that exceeds the limit is the page's last.
pub(super) const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
