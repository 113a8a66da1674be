//! The pure engine of pidflow: it builds flows from packets, tracks processes and sockets from facts, and joins the
//! two. It uses no files, sockets, clocks, async runtime, aya or pcap; time is an argument.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod application;
pub mod decode;
pub mod fact;
pub mod flow_table;
pub mod inspection;
pub mod join;
mod losses;
pub mod packet;
mod places;
pub mod process_table;
mod segment;
pub mod socket_index;
pub mod tenancy;
pub mod texts;
pub mod tunnel;
