//! Names of errors.

use nix::errno::Errno;

/// The name of an error, as in errno(3).
pub(super) fn name(errno: u16) -> String {
    match Errno::from_raw(errno.into()) {
        Errno::UnknownErrno => format!("error {errno}"),
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_names() {
        assert_eq!([111, 110, 101, 113].map(name), ["ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH"]);
        assert_eq!([0, 4000].map(name), ["error 0", "error 4000"]);
    }
}
