//! The path of the file that a process executes, as the list of names up to the root.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use pidflow_schema::abi::{NAME_LEN, PATH_LEN};

use crate::kernel::{FilePath, Step};

/// Maximum number of names and mount points; for a longer path, the path given to exec is reported.
const MAX_STEPS: usize = 32;

/// Writes the names from the file upwards, each with a terminating zero. Returns the number of bytes; 0: the path is
/// unknown or too long.
#[inline(always)]
pub fn write_chain(mut path: FilePath, out: &mut [u8; PATH_LEN]) -> u32 {
    if !path.is_known() {
        return 0;
    }
    let len = write_steps(&mut path, out);
    path.count_failure();
    len
}

#[inline(always)]
fn write_steps(path: &mut FilePath, out: &mut [u8; PATH_LEN]) -> u32 {
    let mut len = 0;
    for _ in 0..MAX_STEPS {
        match path.step() {
            Step::Root => return len,
            Step::Mount => {}
            Step::Name(name) => match add(name, len, out) {
                0 => return 0,
                // It is always less. With this bound, all states of the loop are the same for the verifier.
                added => len = (len + added) & (PATH_LEN as u32 - 1),
            },
            Step::Detached(name) => return if len == 0 { add(name, len, out) } else { 0 },
        }
    }
    0
}

/// Number of bytes added; 0: there is no room, or the name is not readable.
#[inline(always)]
fn add(name: u64, len: u32, out: &mut [u8; PATH_LEN]) -> u32 {
    if len as usize >= NAME_LEN {
        return 0;
    }
    // The mask shows the verifier that a whole name fits after this offset.
    let at = len as usize & (NAME_LEN - 1);
    // SAFETY: the helper checks the name's address and ends the string within NAME_LEN octets, which fit behind `at`.
    let read = unsafe {
        bpf_probe_read_kernel_str(out.as_mut_ptr().add(at).cast(), NAME_LEN as u32, name as *const core::ffi::c_void)
    };
    if read > 1 { read as u32 } else { 0 }
}
