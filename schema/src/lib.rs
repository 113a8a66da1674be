//! The types shared by all other crates of pidflow: the flow record, the table of its elements, and the structs that
//! cross the kernel boundary.
//!
//! A leaf crate without I/O. Encoders, the command line, the reference page and the dashboards' checks iterate over
//! [`table::ELEMENTS`]. Adding a field to the output takes one entry there and one member of [`record::FlowRecord`].
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(not(feature = "std"), no_std)]

pub mod abi;
#[cfg(feature = "std")]
pub mod element;
#[cfg(feature = "std")]
pub mod group;
#[cfg(feature = "std")]
pub mod metric;
#[cfg(feature = "std")]
pub mod ntop_message;
#[cfg(feature = "std")]
pub mod record;
#[cfg(feature = "std")]
pub mod table;
#[cfg(feature = "std")]
pub mod value;

#[cfg(feature = "std")]
pub use element::{DataType, Element, Enterprise, Length, Semantics, Unit};
#[cfg(feature = "std")]
pub use group::{Group, GroupSet};
#[cfg(feature = "std")]
pub use ntop_message::{NtopCompression, NtopHeader, NtopHeaderForm};
#[cfg(feature = "std")]
pub use record::{
    Application, ApplicationLatency, ApplicationProtocol, Attribution, Candidate, Certificate, Classification,
    Collected, Confidence, Container, Counters, Dns, DnsResponse, EndObserver, Endpoint, Flow, FlowEndDetail,
    FlowEndReason, FlowKey, FlowKeyBasis, FlowRecord, Glued, Handshake, HostUsage, Http, InitialSequences,
    InitiatorBasis, Login, Lost, Node, Owner, OwnerBasis, PacketDirection, PacketFigures, PacketGaps, Place, Placement,
    Pod, PodDetails, Process, ProcessEnd, ProcessUsage, Protocol, Routing, Service, TcpDirection, TcpEnd, TcpHealth,
    TcpState, Tls, TrafficDirection, Translation, Tunnel, TunnelKind, UnknownCounters, kept_bytes,
};
#[cfg(feature = "std")]
pub use table::{ELEMENTS, by_name};
#[cfg(feature = "std")]
pub use value::{Text, Value};
