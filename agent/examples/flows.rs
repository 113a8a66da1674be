//! Flows of capture files or interfaces without the rest of the program: `flows CAPTURE…` or `flows -i IFACE SECONDS`.
//! Prints the counters, and with `FLOWS_PRINT=1` every record.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example may panic")]

use std::time::{Duration, Instant};

use pidflow_agent::capture::{Interfaces, LiveCapture, LiveOptions, PacketBatch};
use pidflow_capture::{CaptureCounters, CaptureFiles, FileOptions};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let whole = std::env::var_os("FLOWS_TIMEOUTS").is_none();
    let config = if whole { FlowTableConfig::whole_capture(4 << 20) } else { FlowTableConfig::default() };
    let mut table = FlowTable::new(config);
    let mut output = Output { print: std::env::var_os("FLOWS_PRINT").is_some(), ..Output::default() };
    let counters = match arguments.split_first() {
        Some((flag, [name, seconds])) if flag == "-i" => {
            live(name, Duration::from_secs(seconds.parse().unwrap()), &mut table, &mut output)
        }
        _ => files(&arguments, &mut table, &mut output),
    };
    let under_way = table.len();
    table.drain(FlowEndReason::ForcedEnd, FlowEndDetail::None).for_each(|flow| output.take(&flow));
    println!("{counters:#?}\n{:#?}\nflows under way at the end {under_way}", table.counters());
    println!(
        "records {} packets {} octets {} frame octets {}",
        output.records, output.packets, output.octets, output.frame_octets
    );
}

fn files(paths: &[String], table: &mut FlowTable, output: &mut Output) -> CaptureCounters {
    let mut files = CaptureFiles::new(paths.iter().map(Into::into), FileOptions::default());
    let (mut packets, mut flows) = (Vec::new(), Vec::new());
    loop {
        match files.next_batch(&mut packets) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => eprintln!("{e}"),
        }
        for interface in files.new_interfaces() {
            table.set_interface(interface.number, interface.index, &interface.name);
        }
        table.set_tunnels(&files.take_tunnels());
        table.update_all(&packets, &mut flows);
        if let Some(last) = packets.last() {
            table.expire(last.time_ns, &mut flows);
        }
        flows.drain(..).for_each(|flow| output.take(&flow));
        packets.clear();
    }
    files.counters().clone()
}

fn live(name: &str, time: Duration, table: &mut FlowTable, output: &mut Output) -> CaptureCounters {
    let interfaces = match name {
        "any" => Interfaces::Any,
        "up" => Interfaces::Up,
        names => Interfaces::Named(names.split(',').map(Into::into).collect()),
    };
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let capture = LiveCapture::start(&LiveOptions { interfaces, ..LiveOptions::default() }, &sender).unwrap();
    drop(sender);
    let end = Instant::now() + time;
    while let Ok(batch) = receiver.recv_deadline(end) {
        count(&batch, table, output);
    }
    capture.stop();
    receiver.iter().for_each(|batch| count(&batch, table, output));
    capture.join()
}

fn count(batch: &PacketBatch, table: &mut FlowTable, output: &mut Output) {
    let mut flows = Vec::new();
    for interface in &batch.interfaces {
        table.set_interface(interface.number, interface.index, &interface.name);
    }
    table.set_tunnels(&batch.tunnels);
    table.update_all(&batch.packets, &mut flows);
    flows.iter().for_each(|flow| output.take(flow));
}

#[derive(Default)]
struct Output {
    print: bool,
    records: u64,
    packets: u64,
    octets: u64,
    frame_octets: u64,
}

impl Output {
    fn take(&mut self, flow: &Flow) {
        self.records += 1;
        self.packets += flow.forward.packets + flow.reverse.packets;
        self.octets += flow.forward.octets + flow.reverse.octets;
        self.frame_octets += flow.forward.frame_octets + flow.reverse.frame_octets;
        if self.print {
            println!("{flow:?}");
        }
    }
}
