//! Where the results are in the library's structure of a flow.

/// What this crate must know of a version. [`crate::trial`] tests it against the library before it is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// How the library's own version begins.
    pub(crate) version: &'static str,
    /// Size of the structure of a flow, bytes, as the library must state it.
    pub(crate) flow_bytes: usize,
    /// Offset of `confidence`, a 32-bit number.
    pub(crate) confidence: usize,
    /// Offset of `risk`, a 64-bit set.
    pub(crate) risks: usize,
}

/// The versions that are known: the one of Debian 12, 13 and unstable (`ndpi_typedefs.h`, 64-bit architectures).
const KNOWN: [Layout; 1] = [Layout { version: "4.2.", flow_bytes: 688, confidence: 16, risks: 320 }];

impl Layout {
    /// The layout of the library's version; none: unknown.
    pub(crate) fn of(version: &str) -> Option<Self> {
        KNOWN.into_iter().find(|layout| version.starts_with(layout.version) && size_of::<usize>() == 8)
    }
}
