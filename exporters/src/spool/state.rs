//! The progress of delivery, the number of accepted records, and whether the spool was closed in an orderly way: three
//! numbers in a file, each with its checksum.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::private_files;

/// The file.
pub(super) const NAME: &str = "state";
/// Bytes of an entry: a number and its CRC-32.
const SLOT_BYTES: usize = 16;

/// Positions of the numbers in the file.
const DELIVERED: u64 = 0;
const ACCEPTED: u64 = 1;
const CLOSED: u64 = 2;

/// The contents of a state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notes {
    /// Sequence number of the first record that was not delivered; none: unreadable.
    pub(super) delivered: Option<u64>,
    /// Sequence number after the last accepted record.
    pub(super) accepted: u64,
    /// Whether all accepted records had been written.
    pub(super) was_closed: bool,
}

/// Writes in place: 12 bytes within one block are written together.
pub(super) struct StateFile {
    file: File,
    accepted: AtomicU64,
    /// What the file says of that; none: it was not written yet.
    noted: Mutex<Option<u64>>,
}

impl StateFile {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = private_files::open(&folder.join(NAME))?;
        Ok(Self { file, accepted: AtomicU64::new(0), noted: Mutex::new(None) })
    }

    /// The numbers of earlier runs. Unreadable ones are logged.
    pub(super) fn read(&self) -> Notes {
        let [delivered, accepted, closed] = [DELIVERED, ACCEPTED, CLOSED].map(|slot| self.slot(slot));
        let is_new = self.file.metadata().is_ok_and(|m| m.len() == 0);
        if !is_new && (delivered.is_none() || accepted.is_none()) {
            tracing::warn!(
                "the file `state` of a spool is damaged: records may be delivered twice, and the losses of a crash are unknown"
            );
        }
        let accepted = accepted.unwrap_or(0);
        Notes { delivered, accepted, was_closed: closed == Some(accepted) }
    }

    fn slot(&self, slot: u64) -> Option<u64> {
        let mut octets = [0; SLOT_BYTES];
        self.file.read_exact_at(&mut octets, slot * SLOT_BYTES as u64).ok()?;
        let (number, rest) = octets.split_first_chunk::<8>()?;
        let right = rest.starts_with(&crc32fast::hash(number).to_le_bytes());
        right.then(|| u64::from_le_bytes(*number))
    }

    fn write(&self, slot: u64, number: u64) -> io::Result<()> {
        let number = number.to_le_bytes();
        let sum = crc32fast::hash(&number).to_le_bytes();
        self.file.write_all_at(&[number.as_slice(), &sum, &[0; 4]].concat(), slot * SLOT_BYTES as u64)
    }

    pub(super) fn set_delivered(&self, sequence: u64) -> io::Result<()> {
        self.write(DELIVERED, sequence)
    }

    /// Notes that every accepted record up to that sequence number is in a segment.
    pub(super) fn set_closed(&self, sequence: u64) -> io::Result<()> {
        if self.accepted.load(Relaxed) == sequence { self.write(CLOSED, sequence) } else { Ok(()) }
    }

    /// Notes that a run has begun, which may end in a crash.
    pub(super) fn set_open(&self) -> io::Result<()> {
        self.write(CLOSED, u64::MAX)
    }

    pub(super) fn set_accepted(&self, sequence: u64) -> io::Result<()> {
        self.accepted.store(sequence, Relaxed);
        self.note_accepted()
    }

    /// Counts in memory, until the count is written to the file.
    pub(super) fn subtract_accepted(&self, records: u64) {
        self.accepted.fetch_sub(records, Relaxed);
    }

    /// Counts in memory, like [`Self::subtract_accepted`].
    pub(super) fn add_accepted(&self, records: u64) {
        self.accepted.fetch_add(records, Relaxed);
    }

    /// Writes the number of accepted records, if the file has another number. Only one thread at a time may call this,
    /// because otherwise an older number could be written last.
    pub(super) fn note_accepted(&self) -> io::Result<()> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = self.accepted.load(Relaxed);
        if *noted != Some(accepted) {
            self.write(ACCEPTED, accepted)?;
            *noted = Some(accepted);
        }
        Ok(())
    }

    /// While the guard lives, nothing is written to the file.
    #[cfg(test)]
    pub(super) fn hang(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
