//! The key of keyed hashes (HMAC-SHA-256, RFC 2104). 64 bits of a hash are shown.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use pidflow_exporters::regular_file;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Shortest and longest key, in bytes.
const MIN_KEY: usize = 16;
const MAX_KEY: u64 = 4096;
/// Number of bytes of the hash that are shown.
const SHOWN_HASH_BYTES: usize = 8;

/// A key, which is never shown.
#[derive(Clone)]
pub(super) struct Key(hmac::Key);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A random key that exists only while the agent runs.
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system provides no random numbers for a key"))?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The file's bytes, without trailing blanks and line ends.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let open = regular_file::open(file).with_context(|| format!("cannot read the key file {shown}"))?;
        let about = open.metadata().with_context(|| format!("cannot read the key file {shown}"))?;
        ensure!(about.mode() & 0o077 == 0, "{shown} may be read by others than its owner; chmod 600 {shown}");
        let mut bytes = Vec::new();
        open.take(MAX_KEY).read_to_end(&mut bytes).with_context(|| format!("cannot read the key file {shown}"))?;
        let key = bytes.trim_ascii_end();
        ensure!(
            key.len() >= MIN_KEY,
            "{shown}: a key has at least {MIN_KEY} bytes; \"openssl rand -hex 32\" makes one"
        );
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// `hash:` and 16 hexadecimal digits.
    pub(super) fn hash(&self, text: &[u8]) -> String {
        use std::fmt::Write as _;
        let tag = hmac::sign(&self.0, text);
        tag.as_ref().iter().take(SHOWN_HASH_BYTES).fold(String::from("hash:"), |mut out, byte| {
            // Writing to a String does not fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
    }

    /// A number of 31 bits.
    pub(super) fn number(&self, bytes: &[u8]) -> u32 {
        let tag = hmac::sign(&self.0, bytes);
        tag.as_ref().first_chunk().map_or(0, |b| u32::from_ne_bytes(*b) >> 1)
    }
}
