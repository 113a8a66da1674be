//! An id of this host that may leave it.

use ring::hmac::{HMAC_SHA256, Key, sign};

/// pidflow's id as an application, chosen at random. Never change it: it would change the ids of all hosts.
const APPLICATION: u128 = 0x6d1b_8f0e_53c4_4d6a_9b27_e04f_1a7c_92d5;
/// Version and variant bits of a random UUID (RFC 9562 section 5.4), and the bits that they replace.
const UUID_BITS: u128 = 0x4000_8000_0000_0000_0000;
const UUID_MASK: u128 = 0xf000_c000_0000_0000_0000;

/// The id that systemd makes from a machine id for one application (`systemd-id128 machine-id --app-specific`); none: it is no
/// machine id.
///
/// machine-id(5) says that the machine id itself should be kept confidential, because whoever knows it can predict the ids that
/// other programs made from it. The result does not reveal it, and is the same after each start.
pub(super) fn app_specific_id(machine_id: &str) -> Option<String> {
    let is_id = machine_id.len() == 32 && machine_id.bytes().all(|b| b.is_ascii_hexdigit());
    let machine_id = u128::from_str_radix(machine_id, 16).ok().filter(|id| is_id && *id != 0)?;
    let tag = sign(&Key::new(HMAC_SHA256, &machine_id.to_be_bytes()), &APPLICATION.to_be_bytes());
    let first = tag.as_ref().first_chunk().map(|octets| u128::from_be_bytes(*octets))?;
    Some(format!("{:032x}", first & !UUID_MASK | UUID_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_systemd() {
        // systemd-id128 machine-id --app-specific=6d1b8f0e53c44d6a9b27e04f1a7c92d5
        let id = app_specific_id("0123456789abcdef0123456789abcdef");
        assert_eq!(id.as_deref(), Some("7cb32ce4b6f34c16b819e809b24c4d2d"));
        assert_ne!(app_specific_id("0123456789abcdef0123456789abcdee"), id);
    }

    #[test]
    fn what_is_no_machine_id_gives_none() {
        let zero = "0".repeat(32);
        for text in ["", "uninitialized", "01234567", "+123456789abcdef0123456789abcdef", &zero] {
            assert_eq!(app_specific_id(text), None, "{text}");
        }
    }
}
