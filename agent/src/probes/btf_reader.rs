//! Reader of BTF, the kernel's description of its own types (Documentation/bpf/btf.rst).
//!
//! A kernel has over 100,000 types, of which a handful is needed. So parsing only records where each type begins; names
//! are compared when a type is looked up.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;

/// Bytes that every type has: name, info, size or type.
const TYPE_LEN: usize = 12;

/// Bytes of one struct member: name, type, offset.
const MEMBER_LEN: usize = 12;

/// The greatest number of consecutive typedefs, qualifiers and pointers that are followed; the kernel's own limit is
/// 32.
const MAX_CHAIN: usize = 32;

/// The greatest number of anonymous structs and unions searched for one member; Linux 6.18 has at most 24 in one
/// struct.
const MAX_NESTED: usize = 100;

/// What a type is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeKind {
    Pointer,
    Array,
    Struct,
    Union,
    Typedef,
    /// const, volatile, restrict, type tag.
    Qualifier,
    Function,
    Prototype,
    Other,
}

impl TypeKind {
    /// The kind that an info word names, and the bytes behind the type's first [`TYPE_LEN`].
    fn of(info: u32) -> Option<(Self, usize)> {
        let entries = vlen(info);
        Some(match kind_number(info) {
            1 | 14 | 17 => (Self::Other, 4),
            2 => (Self::Pointer, 0),
            3 => (Self::Array, 12),
            4 => (Self::Struct, entries * MEMBER_LEN),
            5 => (Self::Union, entries * MEMBER_LEN),
            6 => (Self::Other, entries * 8),
            7 | 16 => (Self::Other, 0),
            8 => (Self::Typedef, 0),
            9 | 10 | 11 | 18 => (Self::Qualifier, 0),
            12 => (Self::Function, 0),
            13 => (Self::Prototype, entries * 8),
            15 | 19 => (Self::Other, entries * 12),
            _ => return None,
        })
    }

    /// Names another type, and is laid out as that one is.
    fn is_alias(self) -> bool {
        matches!(self, Self::Typedef | Self::Qualifier)
    }
}

fn kind_number(info: u32) -> u32 {
    info >> 24 & 0x1f
}

fn vlen(info: u32) -> usize {
    (info & 0xffff) as usize
}

/// One type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    /// What it is.
    pub(crate) kind: TypeKind,
    /// Members of a struct or union, parameters of a prototype.
    pub(crate) entries: usize,
    /// Bytes of a struct or union; of others the id of the type they refer to.
    pub(crate) size_or_type: u32,
    name: u32,
    has_bitfields: bool,
    /// Where its entries begin in the file.
    body: usize,
}

/// A member of a struct or union.
struct Member {
    name: u32,
    type_id: u32,
    bits: u32,
}

/// The types of a BTF file.
pub(crate) struct Btf {
    data: Vec<u8>,
    strings: Range<usize>,
    /// Where each type begins in `data`; the first has the id 1.
    types: Vec<u32>,
}

impl Btf {
    /// Reads a whole BTF file.
    ///
    /// # Errors
    /// It is no BTF of this machine's byte order, is cut off, or has types of an unknown kind.
    pub(crate) fn parse(data: Vec<u8>) -> Result<Self> {
        let (types, strings) = sections(&data)?;
        let types = index(&data, types)?;
        Ok(Self { data, strings, types })
    }

    /// The first type of this kind for each of the names, in one pass.
    pub(crate) fn find<const N: usize>(&self, kind: TypeKind, names: [&str; N]) -> [Option<Type>; N] {
        let mut found = [None; N];
        self.find_into(kind, &names, &mut found);
        found
    }

    /// As [`Self::find`], for a number of names that is not known at compile time.
    pub(crate) fn find_into(&self, kind: TypeKind, names: &[&str], found: &mut [Option<Type>]) {
        let mut missing = names.len();
        for t in self.types.iter().filter_map(|at| self.type_at(*at)).filter(|t| t.kind == kind) {
            let Some(name) = self.strings_from(t.name) else { continue };
            let wanted = names.iter().zip(found.iter_mut()).find(|(n, f)| f.is_none() && is_named(name, n));
            if let Some((_, found)) = wanted {
                *found = Some(t);
                missing -= 1;
                if missing == 0 {
                    return;
                }
            }
        }
    }

    /// The type behind typedefs and qualifiers.
    pub(crate) fn unaliased(&self, id: u32) -> Option<Type> {
        self.behind(id, TypeKind::is_alias)
    }

    /// The type behind typedefs, qualifiers and pointers.
    pub(crate) fn pointee(&self, id: u32) -> Option<Type> {
        self.behind(id, |kind| kind.is_alias() || kind == TypeKind::Pointer)
    }

    /// A member's offset in bits and its type's id; anonymous structs and unions are searched too.
    pub(crate) fn member(&self, of: Type, name: &str) -> Option<(u32, u32)> {
        let mut nested = vec![(of, 0u32)];
        for _ in 0..MAX_NESTED {
            let (structure, base) = nested.pop()?;
            for member in self.members(structure) {
                let bits = base.checked_add(member.bits)?;
                let found = self.strings_from(member.name)?;
                if is_named(found, name) {
                    return Some((bits, member.type_id));
                }
                if is_named(found, "") {
                    nested.extend(self.unaliased(member.type_id).map(|t| (t, bits)));
                }
            }
        }
        None
    }

    /// Members of a struct or union; none of anything else.
    fn members(&self, of: Type) -> impl Iterator<Item = Member> {
        let entries = if matches!(of.kind, TypeKind::Struct | TypeKind::Union) { of.entries } else { 0 };
        let body = self.data.get(of.body..).unwrap_or_default();
        body.chunks_exact(MEMBER_LEN).take(entries).filter_map(move |m| {
            let offset = word(m, 8)?;
            // With bitfields the upper 8 bits are a field's width.
            let bits = if of.has_bitfields { offset & 0x00ff_ffff } else { offset };
            Some(Member { name: word(m, 0)?, type_id: word(m, 4)?, bits })
        })
    }

    fn behind(&self, mut id: u32, passes: impl Fn(TypeKind) -> bool) -> Option<Type> {
        for _ in 0..MAX_CHAIN {
            let t = self.type_at(*self.types.get(id.checked_sub(1)? as usize)?)?;
            if !passes(t.kind) {
                return Some(t);
            }
            id = t.size_or_type;
        }
        None
    }

    fn type_at(&self, at: u32) -> Option<Type> {
        let at = at as usize;
        let head = self.data.get(at..)?.first_chunk::<TYPE_LEN>()?;
        let info = word(head, 4)?;
        let (kind, _) = TypeKind::of(info)?;
        Some(Type {
            kind,
            entries: vlen(info),
            size_or_type: word(head, 8)?,
            name: word(head, 0)?,
            has_bitfields: info >> 31 == 1,
            body: at + TYPE_LEN,
        })
    }

    /// The strings from the one at this offset on; a NUL ends each.
    fn strings_from(&self, offset: u32) -> Option<&[u8]> {
        self.data.get(self.strings.clone())?.get(offset as usize..)
    }
}

/// The header's two sections, checked to be within the file: types and strings.
fn sections(data: &[u8]) -> Result<(Range<usize>, Range<usize>)> {
    const CUT_OFF: &str = "the BTF is cut off";
    let magic = data.first_chunk().copied().map(u16::from_ne_bytes).context(CUT_OFF)?;
    ensure!(magic == MAGIC, "not BTF of this machine: begins with {magic:#06x} instead of {MAGIC:#06x}");
    let version = *data.get(2).context(CUT_OFF)?;
    ensure!(version == VERSION, "BTF version {version} is not supported, only version {VERSION} is");
    let header = word(data, 4).context(CUT_OFF)?;
    let section = |offset_at, len_at| {
        let start = header.checked_add(word(data, offset_at)?)?;
        let range = start as usize..start.checked_add(word(data, len_at)?)? as usize;
        (range.end <= data.len()).then_some(range)
    };
    Ok((section(8, 12).context(CUT_OFF)?, section(16, 20).context(CUT_OFF)?))
}

/// Where each type begins.
fn index(data: &[u8], section: Range<usize>) -> Result<Vec<u32>> {
    // Kernels have some 25 bytes a type.
    let mut types = Vec::with_capacity(section.len() / 20);
    let data = data.get(..section.end).unwrap_or_default();
    let mut at = section.start;
    while at < section.end {
        let Some(info) = word(data, at + 4) else { bail!("the BTF type at offset {at} is cut off") };
        let Some((_, body)) = TypeKind::of(info) else {
            bail!("the BTF type at offset {at} is of the unknown kind {}", kind_number(info));
        };
        types.push(u32::try_from(at)?);
        at += TYPE_LEN + body;
    }
    ensure!(at == section.end, "the last BTF type ends at offset {at}, beyond its section");
    Ok(types)
}

fn is_named(strings: &[u8], name: &str) -> bool {
    strings.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}
