//! JSON strings (RFC 8259 section 7).

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Appends `text` in quotes.
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    put_escaped(text, out);
    out.push(b'"');
}

/// Copies runs without characters to escape as a whole; most strings are one such run.
fn put_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| needs_escape(*b)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match tail.split_first() {
            Some((octet, after)) => {
                put_escape(*octet, out);
                after
            }
            None => tail,
        };
    }
    out.extend_from_slice(rest);
}

const fn needs_escape(octet: u8) -> bool {
    octet < b' ' || octet == b'"' || octet == b'\\'
}

fn put_escape(octet: u8, out: &mut Vec<u8>) {
    let short = match octet {
        b'"' | b'\\' => octet,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => return put_control(octet, out),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn put_control(octet: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u00");
    put_hex(octet, out);
}

/// Appends the two lower-case hexadecimal digits of `octet`.
pub(super) fn put_hex(octet: u8, out: &mut Vec<u8>) {
    let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[digit(octet >> 4), digit(octet)]);
}

#[cfg(test)]
mod tests {
    use super::put_string;

    #[test]
    fn every_character_comes_back() {
        let text: String = (0..0x300).filter_map(char::from_u32).chain("\u{2028}🦀".chars()).collect();
        let mut out = Vec::new();
        put_string(&text, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
