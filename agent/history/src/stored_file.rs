//! One file that is read.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use pidflow_schema::{Flow, FlowRecord, Process, UnknownCounters};
use rusqlite::{Connection, OpenFlags, Row};

use crate::HistoryError;
use crate::blank::blank;
use crate::facet::Column;
use crate::file_name::FileName;
use crate::hour::check_format;
use crate::stored::{self, Detail};
use crate::tables;

/// How long a read waits for the writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Steps of SQLite's machine between two looks at the time.
const STEPS_BETWEEN_LOOKS: i32 = 20_000;
/// Maximum number of rows of each dictionary table that are kept decoded.
const MAX_DECODED: usize = 20_000;

/// The columns of a whole record, in the order in which [`StoredFile::record`] reads them.
pub(crate) const WHOLE: &str = "id, last, duration, source_process, destination_process, source_address, \
    destination_address, source_port, destination_port, protocol, bytes, reverse_bytes, packets, reverse_packets, detail, numbers";

/// Those of counters, in that order.
const AMOUNTS: [Column; 4] = [Column::Bytes, Column::ReverseBytes, Column::Packets, Column::ReversePackets];

/// Sets a counter; none: it is not known.
pub(crate) const fn set_amount(flow: &mut Flow, column: Column, amount: Option<u64>) {
    let (counters, counter) = match column {
        Column::Bytes => (&mut flow.forward, UnknownCounters::OCTETS),
        Column::ReverseBytes => (&mut flow.reverse, UnknownCounters::OCTETS),
        Column::Packets => (&mut flow.forward, UnknownCounters::PACKETS),
        Column::ReversePackets => (&mut flow.reverse, UnknownCounters::PACKETS),
        _ => return,
    };
    counters.set(counter, amount);
}

/// Decoded rows of one table.
type Decoded<T> = RefCell<HashMap<i64, T, RandomState>>;

/// Undoes a change that the writer did not complete because it was killed while it finished the file. SQLite does that at the next
/// read, but not for who opens the file only to read it: that fails.
///
/// Who may not write the file is told so by the read that follows.
fn roll_back(path: &Path) {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    if !std::fs::metadata(journal).is_ok_and(|journal| journal.len() > 0) {
        return;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let done = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        tables::pragma(&connection, "user_version")
    });
    drop(done);
}

/// A file, opened for reading.
pub(crate) struct StoredFile {
    pub(crate) name: FileName,
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) base_ns: i64,
    /// Times of the first and the last packet of all records, nanoseconds since the epoch; none: there are no records.
    pub(crate) period: Option<(i64, i64)>,
    /// Number of temporary tables.
    tables: Cell<u32>,
    processes: Decoded<Arc<Process>>,
    addresses: Decoded<IpAddr>,
    details: Decoded<Arc<Detail>>,
}

impl StoredFile {
    /// Opens the file. What is asked of it fails once `deadline` is over.
    pub(crate) fn open(folder: &Path, name: FileName, deadline: Instant) -> Result<Self, HistoryError> {
        let path = name.path(folder);
        let open = || -> rusqlite::Result<Connection> {
            let flags =
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
            connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || Instant::now() > deadline));
            Ok(connection)
        };
        let failed = |e| HistoryError::sqlite(&path, e);
        roll_back(&path);
        let connection = open().map_err(failed)?;
        check_format(&path, &connection)?;
        let totals = connection.query_row("SELECT base_ns, first_ns, last_ns FROM file", [], |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        let (base_ns, first_ns, last_ns) = totals.map_err(failed)?;
        let period = first_ns.zip(last_ns);
        let (processes, addresses, details) = (Decoded::default(), Decoded::default(), Decoded::default());
        Ok(Self { name, path, connection, base_ns, period, tables: Cell::new(0), processes, addresses, details })
    }

    /// The error of SQLite for this file.
    pub(crate) fn failed(&self, error: rusqlite::Error) -> HistoryError {
        HistoryError::sqlite(&self.path, error)
    }

    fn damaged(&self, table: &str, id: i64) -> HistoryError {
        HistoryError::damaged(&self.path, format!("row {id} of the table {table} is damaged"))
    }

    /// A whole record: a row of the columns [`WHOLE`].
    pub(crate) fn record(&self, row: &Row<'_>) -> Result<FlowRecord, HistoryError> {
        let get = |n: usize| row.get::<_, i64>(n).map_err(|e| self.failed(e));
        let damaged = |id| self.damaged("flows", id);
        let id = get(0)?;
        let detail = self.detail(get(14)?)?;
        let mut record = detail.record.clone();
        self.set_ends(&mut record, [get(3)?, get(4)?, get(5)?, get(6)?])?;
        let last_ns = self.base_ns.saturating_add(get(1)?);
        let f = &mut record.flow;
        f.last_ns = u64::try_from(last_ns).map_err(|_| damaged(id))?;
        f.first_ns = u64::try_from(last_ns.saturating_sub(get(2)?)).map_err(|_| damaged(id))?;
        let small = |n: i64| u16::try_from(n).map_err(|_| damaged(id));
        (f.source_port, f.destination_port) = (small(get(7)?)?, small(get(8)?)?);
        f.protocol = u8::try_from(get(9)?).map_err(|_| damaged(id))?;
        let amount = |n: i64| u64::try_from(n).map_err(|_| damaged(id));
        for (place, column) in (10..).zip(AMOUNTS) {
            let known = row.get::<_, Option<i64>>(place).map_err(|e| self.failed(e))?;
            set_amount(f, column, known.map(amount).transpose()?);
        }
        let numbers = row.get_ref(15).ok().and_then(|value| value.as_blob().ok()).ok_or_else(|| damaged(id))?;
        detail.write_numbers(&mut record, numbers).ok_or_else(|| damaged(id))?;
        Ok(record)
    }

    /// Sets processes and addresses, the source's first.
    fn set_ends(&self, record: &mut FlowRecord, ids: [i64; 4]) -> Result<(), HistoryError> {
        let [source_process, destination_process, source, destination] = ids;
        record.source.process = self.process(source_process)?;
        record.destination.process = self.process(destination_process)?;
        record.flow.source = self.address(source)?;
        record.flow.destination = self.address(destination)?;
        Ok(())
    }

    /// The process in that row; none for 0.
    pub(crate) fn process(&self, id: i64) -> Result<Option<Arc<Process>>, HistoryError> {
        if id == 0 {
            return Ok(None);
        }
        let select = "SELECT elements FROM processes WHERE id = ?";
        let decode = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().ok().and_then(stored::process));
        self.decoded(&self.processes, ("processes", select), id, decode).map(Some)
    }

    /// The address in that row.
    pub(crate) fn address(&self, id: i64) -> Result<IpAddr, HistoryError> {
        let select = "SELECT address FROM addresses WHERE id = ?";
        let decode = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().ok().and_then(|text| text.parse().ok()));
        self.decoded(&self.addresses, ("addresses", select), id, decode)
    }

    /// The detail in that row.
    pub(crate) fn detail(&self, id: i64) -> Result<Arc<Detail>, HistoryError> {
        let select = "SELECT elements, numbers FROM details WHERE id = ?";
        self.decoded(&self.details, ("details", select), id, |row| Ok(detail(row)?.map(Arc::new)))
    }

    fn decoded<T: Clone>(
        &self,
        cache: &Decoded<T>,
        (table, select): (&str, &str),
        id: i64,
        decode: impl FnOnce(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<T, HistoryError> {
        if let Some(found) = cache.borrow().get(&id) {
            return Ok(found.clone());
        }
        let read = || self.connection.prepare_cached(select)?.query_row([id], decode);
        let found = match read() {
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            other => other.map_err(|e| self.failed(e))?,
        };
        let found = found.ok_or_else(|| self.damaged(table, id))?;
        let mut cache = cache.borrow_mut();
        if cache.len() >= MAX_DECODED {
            cache.clear();
        }
        cache.insert(id, found.clone());
        Ok(found)
    }

    /// Calls `use_process` with each row of the table, and with 0, which stands for no process.
    pub(crate) fn each_process(
        &self,
        mut use_process: impl FnMut(i64, Option<Arc<Process>>),
    ) -> Result<(), HistoryError> {
        use_process(0, None);
        self.each_row("SELECT id, elements FROM processes", |row| {
            let id = row.get(0)?;
            let process = row.get_ref(1)?.as_str().ok().and_then(stored::process);
            Ok(process.map(|process| use_process(id, Some(process))))
        })
    }

    /// Calls `use_address` with each row of the table.
    pub(crate) fn each_address(&self, mut use_address: impl FnMut(i64, IpAddr)) -> Result<(), HistoryError> {
        self.each_row("SELECT id, address FROM addresses", |row| {
            let id = row.get(0)?;
            let address = row.get_ref(1)?.as_str().ok().and_then(|text| text.parse().ok());
            Ok(address.map(|address| use_address(id, address)))
        })
    }

    /// Calls `use_detail` with each row of the table.
    pub(crate) fn each_detail(&self, mut use_detail: impl FnMut(i64, &FlowRecord)) -> Result<(), HistoryError> {
        self.each_row("SELECT elements, numbers, id FROM details", |row| {
            let id = row.get(2)?;
            Ok(detail(row)?.map(|detail| use_detail(id, &detail.record)))
        })
    }

    /// A row for which `use_row` returns none is damaged.
    fn each_row(
        &self,
        select: &str,
        mut use_row: impl FnMut(&Row<'_>) -> rusqlite::Result<Option<()>>,
    ) -> Result<(), HistoryError> {
        let mut read = || -> rusqlite::Result<Option<()>> {
            let mut statement = self.connection.prepare_cached(select)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if use_row(row)?.is_none() {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        };
        let done = read().map_err(|e| self.failed(e))?;
        done.ok_or_else(|| HistoryError::damaged(&self.path, format!("a row of \"{select}\" is damaged")))
    }

    /// Puts row numbers into a new temporary table; returns its name.
    pub(crate) fn temporary(&self, ids: &BTreeSet<i64>) -> rusqlite::Result<String> {
        let table = format!("ids{}", self.tables.get());
        self.tables.set(self.tables.get() + 1);
        self.connection.execute_batch(&format!("CREATE TEMP TABLE {table}(id INTEGER PRIMARY KEY); BEGIN"))?;
        let mut insert = self.connection.prepare(&format!("INSERT INTO {table} VALUES(?)"))?;
        for id in ids {
            insert.execute([id])?;
        }
        self.connection.execute_batch("COMMIT")?;
        Ok(table)
    }

    /// A record with nothing but this, for conditions and groups.
    pub(crate) fn partial(&self, detail: Option<i64>) -> Result<FlowRecord, HistoryError> {
        detail.map_or_else(|| Ok(blank()), |id| Ok(self.detail(id)?.record.clone()))
    }
}

fn detail(row: &Row<'_>) -> rusqlite::Result<Option<Detail>> {
    let texts = row.get_ref(0)?.as_str().ok().zip(row.get_ref(1)?.as_str().ok());
    Ok(texts.and_then(|(elements, numbers)| Detail::new(elements, numbers)))
}
