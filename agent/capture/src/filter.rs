//! BPF filter expressions for frames of files.

use pcap::{BpfProgram, Capture, Linktype};

use super::CaptureError;

/// Raw IP has this number in files, and libpcap's functions know it by [`DLT_RAW`].
const LINKTYPE_RAW: u32 = 101;
const DLT_RAW: i32 = 12;

/// A filter expression and its programs, one per link type.
pub struct Filter {
    expression: String,
    programs: Vec<(u32, Option<BpfProgram>)>,
}

impl Filter {
    /// Compiles the expression for Ethernet, so that a wrong one is refused immediately.
    pub fn new(expression: &str) -> Result<Self, CaptureError> {
        compile(expression, Linktype::ETHERNET)
            .map_err(|e| CaptureError::Filter { expression: expression.to_owned(), message: e.to_string() })?;
        Ok(Self { expression: expression.to_owned(), programs: Vec::new() })
    }

    /// Whether a frame passes. Frames of link types for which libpcap cannot compile the expression always pass.
    pub fn passes(&mut self, link: u32, data: &[u8]) -> bool {
        if !self.programs.iter().any(|(known, _)| *known == link) {
            let number = if link == LINKTYPE_RAW { DLT_RAW } else { i32::try_from(link).unwrap_or(i32::MAX) };
            self.programs.push((link, compile(&self.expression, Linktype(number)).ok()));
        }
        let program = self.programs.iter().find(|(known, _)| *known == link).and_then(|(_, program)| program.as_ref());
        program.is_none_or(|program| program.filter(data))
    }
}

fn compile(expression: &str, link: Linktype) -> Result<BpfProgram, pcap::Error> {
    Capture::dead(link)?.compile(expression, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_expression_is_refused_with_the_reason() {
        let error = Filter::new("tcp prot 80").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`tcp prot 80`") && error.contains("pcap-filter"), "{error}");
    }

    #[test]
    fn passes_by_link_type() {
        let mut filter = Filter::new("ip").unwrap();
        let mut ethernet = [0; 60];
        ethernet[12..15].copy_from_slice(&[8, 0, 0x45]);
        assert!(filter.passes(1, &ethernet));
        assert!(!filter.passes(1, &[0; 60]));
        let mut raw = [0; 40];
        raw[0] = 0x45;
        assert!(filter.passes(101, &raw));
    }
}
