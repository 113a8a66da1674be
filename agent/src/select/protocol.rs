//! Transport protocols by name or number.

use pidflow_schema::Protocol;

/// The number of a protocol that is given by one of [`Protocol::NAMES`] or by a number from 0 to 255.
pub(crate) fn protocol_number(text: &str) -> Option<u8> {
    let number = || text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    Protocol::named(text).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_known() {
        assert_eq!([protocol_number("udp"), protocol_number("17")], [Some(17); 2]);
        for wrong in ["", "UDP", "+6", "256", "tcp "] {
            assert_eq!(protocol_number(wrong), None, "{wrong}");
        }
    }
}
