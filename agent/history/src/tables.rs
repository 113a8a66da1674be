//! The tables of a file.

use rusqlite::Connection;

/// Must be increased when the tables change: a file of another format is set aside by the writer, and left out by readers.
pub(crate) const FORMAT: i64 = 2;

/// `application_id` of SQLite's header, so that `file(1)` and the reader know whose file it is: "PIDF".
pub(crate) const APPLICATION: i64 = 0x5049_4446;

/// Creates all tables. `details` and `numbers` are described in `docs/history.md`.
const SCHEMA: &str = "
CREATE TABLE file(
  base_ns INTEGER NOT NULL, first_ns INTEGER, last_ns INTEGER, records INTEGER NOT NULL) STRICT;
CREATE TABLE processes(
  id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, name TEXT NOT NULL, user TEXT NOT NULL, elements TEXT NOT NULL) STRICT;
CREATE TABLE addresses(id INTEGER PRIMARY KEY, address TEXT NOT NULL) STRICT;
CREATE TABLE details(id INTEGER PRIMARY KEY, elements TEXT NOT NULL, numbers TEXT NOT NULL) STRICT;
CREATE TABLE flows(
  id INTEGER PRIMARY KEY, last INTEGER NOT NULL, duration INTEGER NOT NULL,
  source_process INTEGER NOT NULL, destination_process INTEGER NOT NULL,
  source_address INTEGER NOT NULL, destination_address INTEGER NOT NULL,
  source_port INTEGER NOT NULL, destination_port INTEGER NOT NULL, protocol INTEGER NOT NULL,
  bytes INTEGER, reverse_bytes INTEGER, packets INTEGER, reverse_packets INTEGER,
  detail INTEGER NOT NULL, numbers BLOB NOT NULL) STRICT;
CREATE VIEW flow_list AS SELECT
  flows.id,
  strftime('%Y-%m-%dT%H:%M:%fZ', (base_ns + last - duration) / 1e9, 'unixepoch') AS first,
  strftime('%Y-%m-%dT%H:%M:%fZ', (base_ns + last) / 1e9, 'unixepoch') AS last,
  protocol,
  s.address AS source, source_port, sp.name AS source_process, sp.pid AS source_pid, sp.user AS source_user,
  d.address AS destination, destination_port, dp.name AS destination_process, dp.pid AS destination_pid,
  dp.user AS destination_user,
  bytes, reverse_bytes, packets, reverse_packets
FROM file, flows
  JOIN addresses s ON s.id = source_address JOIN addresses d ON d.id = destination_address
  LEFT JOIN processes sp ON sp.id = source_process LEFT JOIN processes dp ON dp.id = destination_process;
";

/// Creates the tables in an empty file whose times count from there.
pub(crate) fn create(connection: &Connection, base_ns: i64) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA journal_mode = WAL; BEGIN; PRAGMA user_version = {FORMAT}; {SCHEMA}
         INSERT INTO file VALUES({base_ns}, NULL, NULL, 0); COMMIT;"
    ))
}

/// The number in a pragma of the file.
pub(crate) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
