//! One file that is written.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pidflow_schema::{FlowRecord, Process};
use rusqlite::{Connection, OpenFlags, params};

use crate::HistoryError;
use crate::dictionary::Dictionary;
use crate::file_name::FileName;
use crate::stored::{self, Shape};
use crate::tables;

/// Permission bits of a file: records contain command lines and addresses.
const FILE_MODE: u32 = 0o600;
/// How long a write waits for a reader that converts the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum numbers of rows that are known while writing; together they need at most about 30 MB.
const MAX_PROCESSES: usize = 4_096;
const MAX_ADDRESSES: usize = 100_000;
const MAX_DETAILS: usize = 20_000;

const FLOW: &str = "INSERT INTO flows(last, duration, source_process, destination_process, source_address, \
    destination_address, source_port, destination_port, protocol, bytes, reverse_bytes, packets, reverse_packets, detail, \
    numbers) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
const PROCESS: &str = "INSERT INTO processes(pid, name, user, elements) VALUES(?,?,?,?)";
const ADDRESS: &str = "INSERT INTO addresses(address) VALUES(?)";
const DETAIL: &str = "INSERT INTO details(elements, numbers) VALUES(?,?)";
const TOTALS: &str = "UPDATE file SET first_ns = min(ifnull(first_ns, ?1), ?1), last_ns = max(ifnull(last_ns, ?2), ?2), \
    records = records + ?3";

/// The address of a shared process, and the process itself, so that the address stays its own.
type KnownProcess = (Arc<Process>, i64);

/// What the transaction in progress contains.
#[derive(Debug, Default)]
struct Pending {
    records: u64,
    first_ns: Option<i64>,
    last_ns: Option<i64>,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct HourFile {
    pub(crate) name: FileName,
    path: PathBuf,
    connection: Connection,
    base_ns: i64,
    shared_processes: Dictionary<usize>,
    kept: Vec<KnownProcess>,
    processes: Dictionary<String>,
    addresses: Dictionary<IpAddr>,
    details: Dictionary<Box<[u8]>>,
    shape: Shape,
    pending: Pending,
}

impl HourFile {
    /// Opens the file, and creates it if it is missing.
    pub(crate) fn open(folder: &Path, name: FileName) -> Result<Self, HistoryError> {
        let path = name.path(folder);
        let is_new = create(&path)?;
        let open = || -> rusqlite::Result<(Connection, i64)> {
            let flags =
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            if is_new || is_empty(&connection)? {
                tables::create(&connection, to_signed(name.start_ns()))?;
            }
            // At a kill nothing is lost that was committed, because the kernel has it. Only a power failure may cost
            // what was committed since the last checkpoint.
            connection
                .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;")?;
            let base_ns = connection.query_row("SELECT base_ns FROM file", [], |row| row.get(0))?;
            Ok((connection, base_ns))
        };
        let (connection, base_ns) = open().map_err(|e| HistoryError::sqlite(&path, e))?;
        check_format(&path, &connection)?;
        Ok(Self {
            name,
            path,
            connection,
            base_ns,
            shared_processes: Dictionary::new(MAX_PROCESSES),
            kept: Vec::new(),
            processes: Dictionary::new(MAX_PROCESSES),
            addresses: Dictionary::new(MAX_ADDRESSES),
            details: Dictionary::new(MAX_DETAILS),
            shape: Shape::default(),
            pending: Pending::default(),
        })
    }

    /// Records that are not committed.
    pub(crate) const fn pending(&self) -> u64 {
        self.pending.records
    }

    /// Adds records to the transaction.
    pub(crate) fn add(&mut self, records: &[FlowRecord]) -> Result<(), HistoryError> {
        self.add_all(records).map_err(|e| HistoryError::sqlite(&self.path, e))
    }

    fn add_all(&mut self, records: &[FlowRecord]) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        for record in records {
            self.add_one(record)?;
        }
        Ok(())
    }

    fn add_one(&mut self, record: &FlowRecord) -> rusqlite::Result<()> {
        let source = self.process(record.source.process.as_ref())?;
        let destination = self.process(record.destination.process.as_ref())?;
        let ends = (self.address(record.flow.source)?, self.address(record.flow.destination)?);
        let detail = self.detail(record)?;
        let f = &record.flow;
        let (first_ns, last_ns) = (to_signed(f.first_ns), to_signed(f.last_ns));
        self.connection.prepare_cached(FLOW)?.execute(params![
            last_ns - self.base_ns,
            last_ns - first_ns,
            source,
            destination,
            ends.0,
            ends.1,
            f.source_port,
            f.destination_port,
            f.protocol,
            f.forward.known_octets().map(to_signed),
            f.reverse.known_octets().map(to_signed),
            f.forward.known_packets().map(to_signed),
            f.reverse.known_packets().map(to_signed),
            detail,
            self.shape.numbers,
        ])?;
        let Pending { records, first_ns: earliest, last_ns: latest } = &mut self.pending;
        *records += 1;
        *earliest = Some(earliest.map_or(first_ns, |ns| ns.min(first_ns)));
        *latest = Some(latest.map_or(last_ns, |ns| ns.max(last_ns)));
        Ok(())
    }

    /// The number of the process's row, 0 if there is no process. Records share processes, so its address is looked up first.
    fn process(&mut self, process: Option<&Arc<Process>>) -> rusqlite::Result<i64> {
        let Some(process) = process else { return Ok(0) };
        let address = Arc::as_ptr(process) as usize;
        if let Some(id) = self.shared_processes.get(&address) {
            return Ok(id);
        }
        let elements = stored::process_elements(process);
        let id = match self.processes.get(&elements) {
            Some(id) => id,
            None => {
                let (pid, name, user) = (process.pid, &*process.name, &*process.user);
                let id = self.insert(PROCESS, params![pid, name, user, elements])?;
                self.processes.add(elements, id)
            }
        };
        self.keep(address, process.clone(), id);
        Ok(id)
    }

    /// Keeps the process, so that no other one gets its address.
    fn keep(&mut self, address: usize, process: Arc<Process>, id: i64) {
        if self.kept.len() >= MAX_PROCESSES {
            self.kept.clear();
            self.shared_processes = Dictionary::new(MAX_PROCESSES);
        }
        self.kept.push((process, id));
        self.shared_processes.add(address, id);
    }

    fn address(&mut self, address: IpAddr) -> rusqlite::Result<i64> {
        if let Some(id) = self.addresses.get(&address) {
            return Ok(id);
        }
        let id = self.insert(ADDRESS, [address.to_string()])?;
        Ok(self.addresses.add(address, id))
    }

    /// The number of the row with what the record shares with others; reads the record's numbers too.
    fn detail(&mut self, record: &FlowRecord) -> rusqlite::Result<i64> {
        let mut alone = record.clone();
        (alone.source.process, alone.destination.process) = (None, None);
        self.shape.read(&alone);
        if let Some(id) = self.details.get(self.shape.key.as_slice()) {
            return Ok(id);
        }
        let (elements, numbers) = stored::detail(&alone);
        let id = self.insert(DETAIL, [elements, numbers])?;
        Ok(self.details.add(self.shape.key.as_slice().into(), id))
    }

    fn insert(&self, statement: &str, values: impl rusqlite::Params) -> rusqlite::Result<i64> {
        self.connection.prepare_cached(statement)?.insert(values)
    }

    /// Ends the transaction; returns how many records are safe now.
    pub(crate) fn commit(&mut self) -> Result<u64, HistoryError> {
        let pending = std::mem::take(&mut self.pending);
        let Some((first_ns, last_ns)) = pending.first_ns.zip(pending.last_ns) else { return Ok(0) };
        let records = to_signed(pending.records);
        let commit = || {
            self.connection.prepare_cached(TOTALS)?.execute([first_ns, last_ns, records])?;
            self.connection.execute_batch("COMMIT")
        };
        commit().map_err(|e| HistoryError::sqlite(&self.path, e))?;
        Ok(pending.records)
    }

    /// Makes the file one that is only read: no other file beside it.
    pub(crate) fn finish(self) -> Result<(), HistoryError> {
        // A reader may prevent it; then it stays as it is, which is as good.
        let done = self.connection.pragma_update(None, "journal_mode", "DELETE");
        match done.map_err(|e| HistoryError::sqlite(&self.path, e)) {
            Err(e) if e.is_damage() || e.is_full() => Err(e),
            _ => Ok(()),
        }
    }
}

/// Creates an empty file that only its owner can read; false: it exists.
fn create(path: &Path) -> Result<bool, HistoryError> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(HistoryError::io(path, e)),
    }
}

/// Whether nothing was written into the file, because the agent was killed or the disk was full just then.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0)
}

/// Checks that the file is one of a history, in this format.
pub(crate) fn check_format(path: &Path, connection: &Connection) -> Result<(), HistoryError> {
    let number = |name| tables::pragma(connection, name).map_err(|e| HistoryError::sqlite(path, e));
    match (number("application_id")?, number("user_version")?) {
        (tables::APPLICATION, tables::FORMAT) => Ok(()),
        (tables::APPLICATION, other) => {
            let known = tables::FORMAT;
            Err(HistoryError::damaged(
                path,
                format!("the file has format {other}, this version of pidflow reads format {known}"),
            ))
        }
        _ => Err(HistoryError::damaged(path, "the file is not one of a history")),
    }
}

/// SQLite's numbers have a sign; greater ones are stored as the greatest.
pub(crate) fn to_signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
