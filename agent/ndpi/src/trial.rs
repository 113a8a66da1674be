//! Tests whether the library keeps its results where [`crate::layout`] says.

use crate::NdpiError;
use crate::module::{Finding, Module};

const MATCH_BY_PORT: u32 = 1;
const DPI: u32 = 4;
const HTTP: u16 = 7;
const SSH: u16 = 92;
/// `NDPI_HTTP_NUMERIC_IP_HOST`.
const NUMERIC_HOST: u64 = 1 << 12;
const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: 192.0.2.9\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

/// Classifies a flow that only its port tells, and one by content and with a risk.
///
/// # Errors
/// A result is not where it is looked for.
pub(crate) fn run(module: &mut Module) -> Result<(), NdpiError> {
    let version = module.library.version.clone();
    let check = |holds: bool, what| if holds { Ok(()) } else { Err(NdpiError::Layout(version.clone(), what)) };
    let empty = module.flow();
    let before = module.finding(&empty, crate::library::RawProtocol { master: 0, application: 0, category: 0 });
    check((before.confidence, before.risks) == (0, 0), "a new flow has results")?;
    let guessed = classify(module, 22, 0x02, b"");
    check(guessed.protocol.application == SSH || guessed.protocol.master == SSH, "port 22 is not SSH")?;
    check((guessed.confidence, guessed.risks) == (MATCH_BY_PORT, 0), "the confidence is elsewhere")?;
    let request = classify(module, 80, 0x18, REQUEST);
    check([request.protocol.master, request.protocol.application].contains(&HTTP), "a request of HTTP is not HTTP")?;
    check(request.confidence == DPI, "the confidence is elsewhere")?;
    check(request.risks == NUMERIC_HOST, "the risks are elsewhere")
}

fn classify(module: &mut Module, port: u16, flags: u8, payload: &[u8]) -> Finding {
    let mut flow = module.flow();
    module.see(&mut flow, &packet(port, flags, payload), 1);
    let protocol = module.give_up(&mut flow);
    let finding = module.finding(&flow, protocol);
    module.free(flow);
    finding
}

/// A segment of TCP in IPv4 to this port.
fn packet(port: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    const HEADERS: usize = 40;
    let [length_high, length_low] = u16::try_from(HEADERS + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let [port_high, port_low] = port.to_be_bytes();
    let mut packet = vec![0x45, 0, length_high, length_low, 0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9];
    packet.extend([0xc0, 0x01, port_high, port_low, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}
