//! The functions of the library.
//!
//! Every declaration is that of `ndpi_api.h`, version 4.2. [`Library::open`] refuses other versions before it looks up any function
//! but the one that states the version, which all versions declare in the same way.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use crate::NdpiError;
use crate::layout::Layout;

/// Names under which the library is looked for, the most precise first.
const NAMES: [&str; 3] = ["libndpi.so.4.2", "libndpi.so.4", "libndpi.so"];

/// `struct ndpi_detection_module_struct`.
#[repr(C)]
pub(crate) struct RawModule {
    _opaque: [u8; 0],
}

/// `struct ndpi_flow_struct`.
#[repr(C)]
pub(crate) struct RawFlow {
    _opaque: [u8; 0],
}

/// `ndpi_protocol`, which is passed and returned by value.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawProtocol {
    pub(crate) master: u16,
    pub(crate) application: u16,
    pub(crate) category: c_uint,
}

macro_rules! functions {
    ($($member:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions that this crate calls.
        #[derive(Debug)]
        pub(crate) struct Functions {
            $(pub(crate) $member: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn of(library: &libloading::Library) -> Result<Self, NdpiError> {
                Ok(Self {
                    // SAFETY: the declaration is that of the library's version, which was checked; the function is called only while
                    // `Library`, which owns both, keeps the library loaded.
                    $($member: *unsafe { library.get($symbol.as_bytes()) }.map_err(|_| NdpiError::Function($symbol))?,)*
                })
            }
        }
    };
}

functions! {
    flow_bytes = "ndpi_detection_get_sizeof_ndpi_flow_struct": fn() -> u32;
    begin = "ndpi_init_detection_module": fn(u32) -> *mut RawModule;
    set_protocols = "ndpi_set_protocol_detection_bitmask2": fn(*mut RawModule, *const c_void);
    load_protocols = "ndpi_load_protocols_file": fn(*mut RawModule, *const c_char) -> c_int;
    finalize = "ndpi_finalize_initialization": fn(*mut RawModule);
    end = "ndpi_exit_detection_module": fn(*mut RawModule);
    process = "ndpi_detection_process_packet": fn(*mut RawModule, *mut RawFlow, *const u8, u16, u64) -> RawProtocol;
    expects_more = "ndpi_extra_dissection_possible": fn(*mut RawModule, *mut RawFlow) -> u8;
    give_up = "ndpi_detection_giveup": fn(*mut RawModule, *mut RawFlow, u8, *mut u8) -> RawProtocol;
    free_flow = "ndpi_free_flow_data": fn(*mut RawFlow);
    protocol_name = "ndpi_protocol2name": fn(*mut RawModule, RawProtocol, *mut c_char, c_uint) -> *mut c_char;
    category_name = "ndpi_category_get_name": fn(*mut RawModule, c_uint) -> *const c_char;
    breed = "ndpi_get_proto_breed": fn(*mut RawModule, u16) -> c_uint;
    breed_name = "ndpi_get_proto_breed_name": fn(*mut RawModule, c_uint) -> *const c_char;
    risk_name = "ndpi_risk2str": fn(c_uint) -> *const c_char;
    risk_score = "ndpi_risk2score": fn(u64, *mut u16, *mut u16) -> u16;
}

/// The loaded library.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) functions: Functions,
    pub(crate) layout: Layout,
    pub(crate) version: String,
    /// Keeps the library loaded; dropped last.
    _loaded: libloading::Library,
}

impl Library {
    /// Loads the library.
    ///
    /// # Errors
    /// It is not installed, or not of a known version.
    pub(crate) fn open() -> Result<Self, NdpiError> {
        let loaded = load()?;
        let version = version(&loaded)?;
        let layout = Layout::of(&version).ok_or_else(|| NdpiError::Version(version.clone()))?;
        let functions = Functions::of(&loaded)?;
        // SAFETY: the function has no precondition.
        let flow_bytes = unsafe { (functions.flow_bytes)() };
        if flow_bytes as usize != layout.flow_bytes {
            return Err(NdpiError::Layout(version, "its structure of a flow has another size"));
        }
        Ok(Self { functions, layout, version, _loaded: loaded })
    }
}

fn load() -> Result<libloading::Library, NdpiError> {
    let mut why = String::new();
    for name in NAMES {
        // SAFETY: loading runs the constructors of the library and of libgcrypt, which have no preconditions. It is found where the
        // system's loader looks, so it is as trustworthy as the other libraries of the program.
        match unsafe { libloading::Library::new(name) } {
            Ok(loaded) => return Ok(loaded),
            Err(e) if why.is_empty() => why = e.to_string(),
            Err(_) => {}
        }
    }
    Err(NdpiError::Missing(why))
}

fn version(loaded: &libloading::Library) -> Result<String, NdpiError> {
    const SYMBOL: &str = "ndpi_revision";
    type Revision = unsafe extern "C" fn() -> *const c_char;
    // SAFETY: the function is declared in this way in all versions, and not kept.
    let revision = unsafe { loaded.get::<Revision>(SYMBOL.as_bytes()) }.map_err(|_| NdpiError::Function(SYMBOL))?;
    // SAFETY: it has no precondition, and returns a constant string.
    Ok(text(unsafe { revision() }))
}

/// A copy of the library's string; empty: there is none.
pub(crate) fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the library returns strings that end with a zero and live until the next call at least.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}
