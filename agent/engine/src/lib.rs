//! The pure engine of pidflow: packets to flows, kernel events to processes and sockets, and the
//! join of the two. No files, sockets, clock, async, aya or pcap: time is an argument.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod decode;
pub mod fact;
pub mod flow_table;
pub mod join;
pub mod packet;
pub mod process_table;
pub mod socket_index;
pub mod tunnel;
