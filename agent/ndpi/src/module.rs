//! The library's detection module, and its structures of flows.
//!
//! Why this is sound:
//! - There is one module in a process ([`TAKEN`]), and it is used through `&mut`, so no two of the library's functions run at the same
//!   time. The library needs that, because it counts and initializes in global variables.
//! - A flow's structure has the size that the library states, begins as zeros as the library wants it, is aligned for every type of C,
//!   and is freed by [`Module::free`] or never (then its members leak; nothing is freed twice).
//! - The module keeps pointers into the last packet. That packet is in a buffer of the module, which lives as long and never moves.
//! - Packets are untrusted. That the library reads no further than the length that it is given cannot be proved here; behind the packet
//!   the buffer goes on for 48 KiB, and no length in its IP header is greater than the packet.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::NdpiError;
use crate::library::{Library, RawFlow, RawModule, RawProtocol, text};

/// Whether there is a module in this process.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Size of the buffer for a packet, bytes; at most [`MAX_PACKET`] of them are used.
const BUFFER: usize = 1 << 16;
/// Longer packets are cut.
const MAX_PACKET: usize = 16_384;
/// More bytes than the set of protocols has in any version: the library copies as many as it has protocols.
const PROTOCOL_SET: [u8; 4096] = [0xff; 4096];
/// Alignment of the structure of a flow.
type Unit = u128;

/// The library's structure of a flow.
#[derive(Debug)]
pub(crate) struct FlowMemory(Box<[Unit]>);

impl FlowMemory {
    fn as_mut_ptr(&mut self) -> *mut RawFlow {
        self.0.as_mut_ptr().cast()
    }

    /// The `N` bytes at `offset`; zeros if they are outside, which [`crate::layout`] excludes.
    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        // SAFETY: the units are initialized, and any bytes are `u8`.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<u8>(), size_of_val(&*self.0)) };
        bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }
}

/// What the library says of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) protocol: RawProtocol,
    pub(crate) confidence: u32,
    pub(crate) risks: u64,
}

/// The detection module.
#[derive(Debug)]
pub(crate) struct Module {
    raw: *mut RawModule,
    buffer: Box<[u8]>,
    pub(crate) library: Library,
    _taken: Taken,
}

// SAFETY: the library has no state of threads, and the module's owner is the only one who can use it.
unsafe impl Send for Module {}

/// Gives the module's place free.
#[derive(Debug)]
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

impl Module {
    /// Initializes the library for all its protocols, and those in the file.
    pub(crate) fn new(library: Library, protocols: Option<&Path>) -> Result<Self, NdpiError> {
        if TAKEN.swap(true, Ordering::Acquire) {
            return Err(NdpiError::InUse);
        }
        let taken = Taken;
        // SAFETY: no other function of the library runs; 0: no preferences.
        let raw = unsafe { (library.functions.begin)(0) };
        if raw.is_null() {
            return Err(NdpiError::Initialization);
        }
        let mut module = Self { raw, buffer: vec![0; BUFFER].into(), library, _taken: taken };
        // SAFETY: the module is valid, and the set is longer than what is read of it.
        unsafe { (module.library.functions.set_protocols)(module.raw, PROTOCOL_SET.as_ptr().cast()) };
        if let Some(path) = protocols {
            module.load(path)?;
        }
        // SAFETY: the module is valid.
        unsafe { (module.library.functions.finalize)(module.raw) };
        Ok(module)
    }

    fn load(&mut self, path: &Path) -> Result<(), NdpiError> {
        let failed = || NdpiError::Protocols(path.to_owned());
        // The library writes to standard error if it cannot open the file.
        std::fs::File::open(path).map_err(|_| failed())?;
        let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| failed())?;
        // SAFETY: the module is valid, and the path ends with a zero.
        match unsafe { (self.library.functions.load_protocols)(self.raw, name.as_ptr()) } {
            0.. => Ok(()),
            _ => Err(failed()),
        }
    }

    /// Memory of a flow's structure, bytes.
    pub(crate) const fn flow_bytes(&self) -> usize {
        self.library.layout.flow_bytes
    }

    /// A new flow.
    pub(crate) fn flow(&self) -> FlowMemory {
        FlowMemory(vec![0; self.flow_bytes().div_ceil(size_of::<Unit>())].into())
    }

    /// Looks at a packet, from its IP header on. Returns the protocol as far as it is known.
    pub(crate) fn see(&mut self, flow: &mut FlowMemory, packet: &[u8], time_ms: u64) -> RawProtocol {
        let packet = packet.get(..MAX_PACKET).unwrap_or(packet);
        self.buffer.iter_mut().zip(packet).for_each(|(to, from)| *to = *from);
        let length = u16::try_from(packet.len()).unwrap_or(0);
        cut(&mut self.buffer, length);
        // SAFETY: module and flow are valid, and so are `length` bytes of the buffer.
        unsafe { (self.library.functions.process)(self.raw, flow.as_mut_ptr(), self.buffer.as_ptr(), length, time_ms) }
    }

    /// Whether further packets may add to what is known.
    pub(crate) fn expects_more(&mut self, flow: &mut FlowMemory) -> bool {
        // SAFETY: module and flow are valid.
        (unsafe { (self.library.functions.expects_more)(self.raw, flow.as_mut_ptr()) }) != 0
    }

    /// The protocol if no more packets come, if need be guessed by ports and addresses.
    pub(crate) fn give_up(&mut self, flow: &mut FlowMemory) -> RawProtocol {
        let mut was_guessed = 0;
        // SAFETY: module and flow are valid, and so is the place for the answer.
        unsafe { (self.library.functions.give_up)(self.raw, flow.as_mut_ptr(), 1, &raw mut was_guessed) }
    }

    /// What is known of the flow, whose protocol this is.
    pub(crate) fn finding(&self, flow: &FlowMemory, protocol: RawProtocol) -> Finding {
        let layout = self.library.layout;
        Finding {
            protocol,
            confidence: u32::from_ne_bytes(flow.bytes(layout.confidence)),
            risks: u64::from_ne_bytes(flow.bytes(layout.risks)),
        }
    }

    /// Frees what the library allocated for the flow.
    pub(crate) fn free(&mut self, mut flow: FlowMemory) {
        // SAFETY: the flow is valid, and not used again.
        unsafe { (self.library.functions.free_flow)(flow.as_mut_ptr()) };
    }

    /// Names of the protocol, of its category and its breed.
    pub(crate) fn names(&mut self, protocol: RawProtocol) -> [String; 3] {
        const NAME: usize = 64;
        let mut name = [0 as c_char; NAME];
        let lower = if protocol.application == 0 { protocol.master } else { protocol.application };
        let functions = &self.library.functions;
        // SAFETY: the module is valid, and the library writes at most `NAME` bytes, with the final zero, to `name`.
        unsafe {
            let whole = text((functions.protocol_name)(self.raw, protocol, name.as_mut_ptr(), NAME as u32));
            let category = text((functions.category_name)(self.raw, protocol.category));
            let breed = text((functions.breed_name)(self.raw, (functions.breed)(self.raw, lower)));
            [whole, category, breed]
        }
    }

    /// Name of a risk; empty: there is none.
    pub(crate) fn risk_name(&self, risk: u32) -> String {
        // SAFETY: the function takes any number; it returns a constant, or the number in a buffer of its own.
        text(unsafe { (self.library.functions.risk_name)(risk) })
    }

    /// Sum of the scores of these risks.
    pub(crate) fn risk_score(&self, risks: u64) -> u16 {
        let (mut client, mut server) = (0, 0);
        // SAFETY: the function takes any set, and both places are valid.
        unsafe { (self.library.functions.risk_score)(risks, &raw mut client, &raw mut server) }
    }
}

/// Lowers the length in the IP header at the beginning of the buffer to that of the packet, if it is greater: the library would read
/// what earlier packets left behind this one, or leave it out.
fn cut(buffer: &mut [u8], length: u16) {
    const IPV6_HEADER: u16 = 40;
    let (at, length) = match buffer.first().map(|byte| byte >> 4) {
        Some(4) => (2, length),
        Some(6) => (4, length.saturating_sub(IPV6_HEADER)),
        _ => return,
    };
    if let Some(field) = buffer.get_mut(at..).and_then(|rest| rest.first_chunk_mut())
        && u16::from_be_bytes(*field) > length
    {
        *field = length.to_be_bytes();
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: the module is valid, and not used again.
        unsafe { (self.library.functions.end)(self.raw) };
    }
}
