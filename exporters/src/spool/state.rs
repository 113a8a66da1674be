//! How far delivery came, and how many records were taken: two numbers in a file, each with its checksum.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Octets of a number: the number, its CRC-32, and nothing.
const SLOT: usize = 16;

/// Written in place: 12 octets within one block reach the file together.
pub(super) struct StateFile {
    file: File,
    accepted: AtomicU64,
    /// What the file says of that.
    noted: Mutex<u64>,
}

impl StateFile {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(folder.join("state"))?;
        Ok(Self { file, accepted: AtomicU64::new(0), noted: Mutex::new(0) })
    }

    /// Sequence numbers of the first record that was not delivered, and of the first that was not taken; 0 where unreadable.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.slot(0), self.slot(1))
    }

    fn slot(&self, slot: u64) -> u64 {
        let mut octets = [0; SLOT];
        let read = self.file.read_exact_at(&mut octets, slot * SLOT as u64);
        let (number, rest) = octets.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let right = rest.starts_with(&crc32fast::hash(number).to_le_bytes());
        if read.is_ok() && right { u64::from_le_bytes(*number) } else { 0 }
    }

    fn write(&self, slot: u64, number: u64) -> io::Result<()> {
        let number = number.to_le_bytes();
        let sum = crc32fast::hash(&number).to_le_bytes();
        self.file.write_all_at(&[number.as_slice(), &sum, &[0; 4]].concat(), slot * SLOT as u64)
    }

    pub(super) fn set_delivered(&self, sequence: u64) -> io::Result<()> {
        self.write(0, sequence)
    }

    pub(super) fn set_accepted(&self, sequence: u64) -> io::Result<()> {
        self.accepted.store(sequence, Relaxed);
        self.note_accepted()
    }

    /// In memory, until it is noted.
    pub(super) fn subtract_accepted(&self, records: u64) {
        self.accepted.fetch_sub(records, Relaxed);
    }

    /// As that.
    pub(super) fn add_accepted(&self, records: u64) {
        self.accepted.fetch_add(records, Relaxed);
    }

    /// Writes down how many were taken, if that is not what the file says. One thread at a time, or an older number might
    /// come last.
    pub(super) fn note_accepted(&self) -> io::Result<()> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = self.accepted.load(Relaxed);
        if *noted != accepted {
            self.write(1, accepted)?;
            *noted = accepted;
        }
        Ok(())
    }

    /// For as long as the guard lives, the disk takes no note.
    #[cfg(test)]
    pub(super) fn hang(&self) -> std::sync::MutexGuard<'_, u64> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
