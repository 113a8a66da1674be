//! Offsets and signatures from the running kernel's BTF.

use anyhow::{Context, Result};
use pidflow_schema::abi::Offsets;

use super::btf_reader::{Btf, Type, TypeKind};

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
        let btf = std::fs::read(KERNEL_BTF).map_err(Into::into).and_then(Btf::parse);
        let btf =
            btf.with_context(|| format!("cannot read {KERNEL_BTF}; use --probes poll on a kernel without BTF"))?;
        Ok(Self { btf })
    }

    /// Offsets of all members that the programs read; absent ones are marked so.
    pub(crate) fn offsets(&self) -> Offsets {
        let mut names: Vec<_> = Offsets::PATHS.iter().filter_map(|p| Some(p.split_once('.')?.0)).collect();
        names.sort_unstable();
        names.dedup();
        let mut structures = vec![None; names.len()];
        self.btf.find_into(TypeKind::Struct, &names, &mut structures);
        Offsets::resolve(|path| {
            let (name, members) = path.split_once('.')?;
            let structure = structures.get(names.binary_search(&name).ok()?)?;
            self.offset((*structure)?, members)
        })
    }

    /// Size of `struct percpu_counter` where the kernel counts resident pages in those (since 6.2), else 0.
    pub(crate) fn percpu_counter_size(&self) -> u64 {
        let [memory, counter] = self.btf.find(TypeKind::Struct, ["mm_struct", "percpu_counter"]);
        let pages = memory.and_then(|m| self.btf.member(m, "rss_stat"));
        let counts_so = pages.and_then(|(_, id)| self.btf.unaliased(id)).is_some_and(|t| t.kind == TypeKind::Array);
        if counts_so { counter.map_or(0, |c| c.size_or_type.into()) } else { 0 }
    }

    /// Number of parameters of a kernel function; none: no such function.
    pub(crate) fn parameters(&self, function: &str) -> Option<usize> {
        let [function] = self.btf.find(TypeKind::Function, [function]);
        self.btf.unaliased(function?.size_or_type).and_then(prototype_parameters)
    }

    /// Number of arguments of a tracepoint (`TP_PROTO`), without the hidden first one.
    pub(crate) fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let [typedef] = self.btf.find(TypeKind::Typedef, [&format!("btf_trace_{name}")]);
        self.btf.pointee(typedef?.size_or_type).and_then(prototype_parameters)?.checked_sub(1)
    }

    /// `member.member` of a struct to bytes.
    fn offset(&self, mut structure: Type, members: &str) -> Option<u32> {
        let mut bits = 0u32;
        let mut names = members.split('.').peekable();
        while let Some(name) = names.next() {
            let (at, id) = self.btf.member(structure, name)?;
            bits = bits.checked_add(at)?;
            if names.peek().is_some() {
                structure = self.btf.unaliased(id)?;
            }
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

fn prototype_parameters(of: Type) -> Option<usize> {
    (of.kind == TypeKind::Prototype).then_some(of.entries)
}

#[cfg(test)]
mod tests {
    use pidflow_schema::abi::{ABSENT, Offsets};

    use super::{Btf, KERNEL_BTF, KernelLayout, TypeKind};

    const STRUCT: u32 = 4;
    const UNION: u32 = 5;
    const BITFIELDS: u32 = 1 << 31;

    /// A BTF file in the making.
    #[derive(Default)]
    struct Blob {
        types: Vec<u32>,
        strings: Vec<u8>,
    }

    impl Blob {
        fn name(&mut self, name: &str) -> u32 {
            let at = self.strings.len();
            self.strings.extend(name.bytes().chain([0]));
            at as u32
        }

        fn add(&mut self, name: &str, info: u32, size_or_type: u32, body: &[u32]) {
            let name = self.name(name);
            self.types.extend([name, info, size_or_type]);
            self.types.extend(body);
        }

        fn structure(&mut self, name: &str, kind: u32, size: u32, members: &[(&str, u32, u32)]) {
            let body: Vec<_> = members.iter().flat_map(|(n, id, bits)| [self.name(n), *id, *bits]).collect();
            let flag = kind & BITFIELDS;
            self.add(name, flag | (kind & !BITFIELDS) << 24 | members.len() as u32, size, &body);
        }

        fn file(&self) -> Vec<u8> {
            let types: Vec<u8> = self.types.iter().flat_map(|w| w.to_ne_bytes()).collect();
            let mut file = 0xeb9f_u16.to_ne_bytes().to_vec();
            file.extend([1, 0]);
            let (types_len, strings_len) = (types.len() as u32, self.strings.len() as u32);
            for word in [24, 0, types_len, types_len, strings_len] {
                file.extend(u32::to_ne_bytes(word));
            }
            file.extend(types);
            file.extend(&self.strings);
            file
        }
    }

    /// A small kernel: the comments are the types' ids.
    fn small_kernel() -> Vec<u8> {
        let mut b = Blob::default();
        b.name("");
        b.add("int", 1 << 24, 4, &[32]); // 1
        b.structure("", UNION, 8, &[("real_parent", 1, 0), ("", 3, 0)]); // 2
        b.structure("", STRUCT, 8, &[("tgid", 1, 0), ("group_leader", 1, 32)]); // 3
        b.structure("task_struct", STRUCT, 32, &[("pid", 1, 0), ("", 2, 64), ("se", 5, 128)]); // 4
        b.add("entity_t", 8 << 24, 6, &[]); // 5
        b.add("", 10 << 24, 7, &[]); // 6
        b.structure("sched_entity", STRUCT, 16, &[("load", 1, 0), ("sum_exec_runtime", 1, 64)]); // 7
        b.structure("sock", BITFIELDS | STRUCT, 8, &[("sk_err", 1, 32 << 24), ("sk_type", 1, 1 << 24 | 33)]); // 8
        b.add("", 13 << 24 | 2, 1, &[0, 1, 0, 1]); // 9
        b.add("inet_csk_accept", 12 << 24 | 1, 9, &[]); // 10
        b.add("", 13 << 24 | 3, 0, &[0, 1, 0, 1, 0, 1]); // 11
        b.add("", 2 << 24, 11, &[]); // 12
        b.add("btf_trace_sched_process_exit", 8 << 24, 12, &[]); // 13
        b.structure("percpu_counter", STRUCT, 40, &[("lock", 1, 0), ("count", 1, 64)]); // 14
        b.add("", 3 << 24, 0, &[14, 1, 4]); // 15
        b.structure("mm_struct", STRUCT, 200, &[("rss_stat", 15, 320)]); // 16
        b.structure("cred", STRUCT, 4, &[("", 18, 0)]); // 17: of a struct that contains itself
        b.structure("", STRUCT, 4, &[("", 18, 0), ("", 18, 0)]); // 18
        b.add("", 8 << 24, 19, &[]); // 19: a typedef of itself
        b.add("loop", 12 << 24, 19, &[]); // 20
        b.file()
    }

    fn layout(file: Vec<u8>) -> anyhow::Result<KernelLayout> {
        Btf::parse(file).map(|btf| KernelLayout { btf })
    }

    #[test]
    fn members_in_anonymous_and_named_structs() {
        let offsets = layout(small_kernel()).unwrap().offsets();
        assert_eq!(offsets.task_pid, 0);
        assert_eq!(offsets.task_parent, 8, "in an anonymous union");
        assert_eq!(offsets.task_leader, 12, "in an anonymous struct in an anonymous union");
        assert_eq!(offsets.task_runtime, 24, "behind a typedef and a qualifier");
        assert_eq!(offsets.sock_err, 0, "the width is no part of the offset");
        assert_eq!(offsets.sock_type, ABSENT, "not at a whole byte");
        assert_eq!(offsets.percpu_count, 8);
        assert_eq!(offsets.task_comm, ABSENT, "no such member");
        assert_eq!(offsets.cred_euid, ABSENT, "a struct that contains itself ends the search");
        assert_eq!(offsets.net_inum, ABSENT, "no such struct");
    }

    #[test]
    fn signatures_and_sizes() {
        let layout = layout(small_kernel()).unwrap();
        assert_eq!(layout.parameters("inet_csk_accept"), Some(2));
        assert_eq!(layout.parameters("inet_csk"), None, "a part of a name");
        assert_eq!(layout.parameters("loop"), None, "a typedef of itself");
        assert_eq!(layout.tracepoint_arguments("sched_process_exit"), Some(2));
        assert_eq!(layout.tracepoint_arguments("sched_process_fork"), None);
        assert_eq!(layout.percpu_counter_size(), 40);
    }

    #[test]
    fn malformed_files_are_refused() {
        let file = small_kernel();
        let error = |file: Vec<u8>| Btf::parse(file).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error(Vec::new()).contains("cut off"));
        assert!(error(b"\x7fELF\0\0\0\0".to_vec()).contains("not BTF"));
        let mut unknown = file.clone();
        unknown[24 + 16 + 4..][..4].copy_from_slice(&(31u32 << 24).to_ne_bytes());
        assert!(error(unknown).contains("offset 40 is of the unknown kind 31"));
        for len in 0..file.len() {
            assert!(!error(file[..len].to_vec()).is_empty(), "cut off at {len}");
        }
    }

    #[test]
    fn no_damaged_file_panics() {
        let file = small_kernel();
        for at in 0..file.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = byte;
                let Ok(layout) = layout(damaged) else { continue };
                let _ = (layout.offsets(), layout.percpu_counter_size());
                let _ = (layout.parameters("inet_csk_accept"), layout.tracepoint_arguments("sched_process_exit"));
            }
        }
    }

    #[test]
    fn running_kernel_has_every_member() {
        if !std::path::Path::new(KERNEL_BTF).exists() {
            return pidflow_skip::skip("running_kernel_has_every_member", &format!("no {KERNEL_BTF}"));
        }
        let started = std::time::Instant::now();
        let layout = KernelLayout::of_running_kernel().unwrap();
        let offsets = layout.offsets().words();
        println!("read in {:?}", started.elapsed());
        // Only some kernels have these: delay accounting and resident pages in per-CPU counters.
        let optional = ["percpu_counter.count", "task_struct.delays", "task_delay_info.blkio_delay"];
        for (path, offset) in Offsets::PATHS.iter().zip(offsets) {
            assert!(offset != ABSENT || optional.contains(path), "{path} is absent");
        }
        assert!(matches!(layout.parameters("inet_csk_accept"), Some(2 | 4)));
        assert!(matches!(layout.tracepoint_arguments("sched_process_exit"), Some(1 | 2)));
        assert!(layout.btf.find(TypeKind::Struct, ["no_such_struct"])[0].is_none());
    }
}
