//! Offsets and signatures from the running kernel's BTF.

use anyhow::{Context, Result};
use btf_rs::{Btf, BtfType, Member, Type};
use pidflow_schema::abi::Offsets;

const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// What the programs need to know of the running kernel.
pub(crate) struct KernelLayout {
    btf: Btf,
}

impl KernelLayout {
    /// Reads the kernel's BTF.
    ///
    /// # Errors
    /// The kernel has none (built without `CONFIG_DEBUG_INFO_BTF`) or it cannot be read.
    pub(crate) fn of_running_kernel() -> Result<Self> {
        let btf = Btf::from_file(KERNEL_BTF)
            .with_context(|| format!("cannot read {KERNEL_BTF}; use --probes poll on a kernel without BTF"))?;
        Ok(Self { btf })
    }

    /// Offsets of all members that the programs read; absent ones are marked so.
    pub(crate) fn offsets(&self) -> Offsets {
        Offsets::resolve(|path| self.offset(path))
    }

    /// Size of `struct percpu_counter` where the kernel counts resident pages in those (since 6.2), else 0.
    pub(crate) fn percpu_counter_size(&self) -> u64 {
        let counts_so = self.member_type("mm_struct", "rss_stat").and_then(|t| self.array_of(&t)).is_some();
        let size = self.structure("percpu_counter").map_or(0, |s| s.size() as u64);
        if counts_so { size } else { 0 }
    }

    /// Number of parameters of a kernel function; none: no such function.
    pub(crate) fn parameters(&self, function: &str) -> Option<usize> {
        let types = self.btf.resolve_types_by_name(function).ok()?;
        types.iter().find_map(|t| match t {
            Type::Func(f) => self.prototype(f),
            _ => None,
        })
    }

    /// Number of arguments of a tracepoint (`TP_PROTO`), without the hidden first one.
    pub(crate) fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let types = self.btf.resolve_types_by_name(&format!("btf_trace_{name}")).ok()?;
        let typedef = types.iter().find(|t| matches!(t, Type::Typedef(_)))?;
        let proto = self.btf.chained_type_iter(typedef.as_btf_type()?).find_map(|t| match t {
            Type::FuncProto(p) => Some(p.parameters.len()),
            _ => None,
        })?;
        proto.checked_sub(1)
    }

    fn prototype(&self, function: &dyn BtfType) -> Option<usize> {
        match self.btf.resolve_chained_type(function).ok()? {
            Type::FuncProto(p) => Some(p.parameters.len()),
            _ => None,
        }
    }

    /// `struct.member.member` to octets.
    fn offset(&self, path: &str) -> Option<u32> {
        let (name, members) = path.split_once('.')?;
        let mut structure = self.structure(name)?;
        let mut bits = 0;
        let mut names = members.split('.').peekable();
        while let Some(member) = names.next() {
            let (at, kind) = self.find_member(&structure, member)?;
            bits += at;
            if names.peek().is_some() {
                structure = self.as_structure(kind)?;
            }
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    fn structure(&self, name: &str) -> Option<btf_rs::Struct> {
        let types = self.btf.resolve_types_by_name(name).ok()?;
        types.into_iter().find_map(|t| match t {
            Type::Struct(s) => Some(s),
            _ => None,
        })
    }

    /// A member's offset in bits and its type; anonymous structs and unions are searched too.
    fn find_member(&self, structure: &btf_rs::Struct, name: &str) -> Option<(u32, Type)> {
        structure.members.iter().find_map(|m| {
            let kind = self.btf.resolve_chained_type(m).ok()?;
            match self.btf.resolve_name(m).ok()?.as_str() {
                n if n == name => Some((m.bit_offset(), kind)),
                "" => self.find_in_anonymous(m, kind, name),
                _ => None,
            }
        })
    }

    fn find_in_anonymous(&self, member: &Member, kind: Type, name: &str) -> Option<(u32, Type)> {
        let inner = self.as_structure(kind)?;
        let (at, kind) = self.find_member(&inner, name)?;
        Some((member.bit_offset() + at, kind))
    }

    /// The struct or union itself, behind typedefs and qualifiers.
    fn as_structure(&self, kind: Type) -> Option<btf_rs::Struct> {
        match kind {
            Type::Struct(s) | Type::Union(s) => Some(s),
            other => self.btf.chained_type_iter(other.as_btf_type()?).find_map(|t| match t {
                Type::Struct(s) | Type::Union(s) => Some(s),
                _ => None,
            }),
        }
    }

    fn member_type(&self, structure: &str, member: &str) -> Option<Type> {
        self.find_member(&self.structure(structure)?, member).map(|(_, t)| t)
    }

    fn array_of(&self, kind: &Type) -> Option<()> {
        matches!(kind, Type::Array(_)).then_some(())
    }
}
