//! The path of the file that a process executes, as the names on the way up to the root.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use pidflow_schema::abi::{NAME_LEN, PATH_LEN};

use crate::kernel::{FilePath, Step};

/// Names and mount points on the way; a path with more is told as given to exec.
const MAX_STEPS: usize = 32;

/// Writes the names from the file upwards, each with its ending zero; how many octets, 0: the path is not known, or too
/// long.
#[inline(always)]
pub fn write_chain(mut path: FilePath, out: &mut [u8; PATH_LEN]) -> u32 {
    let mut len = 0;
    if !path.is_known() {
        return 0;
    }
    for _ in 0..MAX_STEPS {
        match path.step() {
            Step::Root => return len,
            Step::Mount => {}
            Step::Name(name) => match add(name, len, out) {
                0 => return 0,
                // It is less anyway; said so, one state of the loop is like the other for the verifier.
                added => len = (len + added) & (PATH_LEN as u32 - 1),
            },
            Step::Detached(name) => return if len == 0 { add(name, len, out) } else { 0 },
        }
    }
    0
}

/// Octets added; 0: no room, or not readable.
#[inline(always)]
fn add(name: u64, len: u32, out: &mut [u8; PATH_LEN]) -> u32 {
    if len as usize >= NAME_LEN {
        return 0;
    }
    // The verifier sees by the mask that a whole name fits behind.
    let at = len as usize & (NAME_LEN - 1);
    // SAFETY: the helper checks the name's address and ends the string within NAME_LEN octets, which fit behind `at`.
    let read = unsafe {
        bpf_probe_read_kernel_str(out.as_mut_ptr().add(at).cast(), NAME_LEN as u32, name as *const core::ffi::c_void)
    };
    if read > 1 { read as u32 } else { 0 }
}
