//! The pure engine of pidflow: packets to flows, kernel events to processes and sockets, and the
//! join of the two. No files, sockets, clock, async, aya or pcap: time is an argument.

pub mod decode;
pub mod flow_table;
pub mod packet;
