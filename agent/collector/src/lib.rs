//! Datagrams of IPFIX, NetFlow v5 and v9, sFlow v5, lines of JSON and messages of ZeroMQ to flow records.
//!
//! Pure: no sockets and no clock. [`Collector::datagram`] takes the octets, the address of the sender and the time, and
//! appends records. [`Subscriber`] makes messages of the octets of a ZeroMQ connection, for [`Collector::zmq`]. Whatever is not a record is counted under an [`Event`]. Everything that is kept between datagrams
//! (templates, sets that wait for their template, interface names, sampling rates) is bounded by [`Limits`].
//!
//! Which element becomes which member of a record is defined by the table of elements alone
//! ([`pidflow_schema::Element::write`]). This crate adds what depends on other values: times relative to the message's header,
//! flags of both directions, and sampling.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod collector;
mod counters;
mod data;
mod draft;
mod field;
mod header;
mod json;
mod known;
mod netflow5;
mod ntop;
mod octets;
mod options;
mod sampling;
mod saved;
mod sequence;
mod session;
mod sessions;
mod sets;
mod sflow;
mod template;
mod tlv;
mod value;
mod zmtp;

pub use collector::{Collector, Settings};
pub use counters::{Counters, Event, Protocol};
pub use saved::{BadState, MAX_STATE};
pub use sessions::Limits;
pub use zmtp::{MAX_FRAME, NotAPublisher, Subscriber};
