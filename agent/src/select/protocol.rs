//! Transport protocols by name or number.

use pidflow_schema::Protocol;

/// The number of a protocol that is given by one of [`Protocol::NAMES`] or by a number from 0 to 255.
pub(crate) fn protocol_number(text: &str) -> Option<u8> {
    let number = || text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    Protocol::named(text).or_else(number)
}

/// The name of a protocol, otherwise its number.
pub(crate) fn protocol_name(number: u8) -> String {
    Protocol::name(number).map_or_else(|| number.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_known() {
        assert_eq!([protocol_number("udp"), protocol_number("17")], [Some(17); 2]);
        assert_eq!([6, 17, 89].map(protocol_name), ["tcp", "udp", "89"]);
        for wrong in ["", "UDP", "+6", "256", "tcp "] {
            assert_eq!(protocol_number(wrong), None, "{wrong}");
        }
    }
}
