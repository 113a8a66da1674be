//! What one client may take, so that slow and greedy ones cost nothing.

use std::time::Duration;

/// Connections at once. One more, and the one on which nothing has happened for longest is closed.
pub(super) const CONNECTIONS: usize = 64;
/// For the TLS handshake, and for a request to arrive once it has begun.
pub(super) const ARRIVAL: Duration = Duration::from_secs(10);
/// For an answer to be made and taken.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// Without a request.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// Octets of a request's head that are held; hyper may hold twice as many.
pub(super) const HEAD: usize = 32 * 1024;
/// Octets of its header fields, names and values.
pub(super) const FIELDS: usize = 16 * 1024;
/// Octets of its URI.
pub(super) const URI: usize = 8 * 1024;
/// Octets of its body, of which no page has any use.
pub(super) const BODY: u64 = 8 * 1024;
/// Entries of one page of an answer.
pub(super) const PAGE: usize = 500;
/// Unless asked otherwise.
pub(super) const USUAL_PAGE: usize = 100;
