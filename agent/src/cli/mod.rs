//! Definition of the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::CollectOptions;
use crate::config::choices::ReportFormat;
use crate::config::options::{
    ExportOptions, FlowOptions, HistoryOptions, HttpOptions, LogOptions, NdpiOptions, Options, PlaceOptions,
    ViewOptions,
};
use crate::config::timeout::Timeout;
use crate::config::values::Listen;
#[cfg(feature = "history")]
use crate::config::values::{FilePath, Ranged, Selection};
#[cfg(feature = "history")]
use query_time::QueryTime;

mod error;
#[cfg(feature = "history")]
pub(crate) mod query_time;

pub(crate) use error::report;

/// Every network flow of a Linux host, with the processes at both ends.
#[derive(Debug, Parser)]
#[command(name = "pidflow", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 success, 1 failure while running, 2 wrong usage or configuration.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Capture live traffic and kernel events; on a terminal, show the live view
    Run(Box<RunArgs>),
    /// Read capture files (pcap, pcapng; gzip or zstd; - is standard input)
    Read(Box<ReadArgs>),
    /// Receive IPFIX, NetFlow v5 and v9 and sFlow v5 from routers and agents on other hosts
    Collect(Box<CollectArgs>),
    /// List the elements of flow records
    Fields(FieldsArgs),
    /// Check a configuration file, without starting anything
    Check(CheckArgs),
    /// Ask a running agent where every packet went, from the kernel's counters to the records
    Audit(AuditArgs),
    /// Search the history that `run --history` keeps, whether or not an agent is running
    #[cfg(feature = "history")]
    Query(QueryArgs),
    /// Check this host (kernel, hooks, interfaces) and report which data pidflow cannot collect on it
    Doctor(Box<DoctorArgs>),
    /// Print the man page or shell completions
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// `pidflow run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes with a COMMAND: its own, 128 + N if signal N ended it, 126 it cannot be executed, 127 it is not found, 125 pidflow failed, 3 new destinations, 4 destinations may be missing in the report (both with --fail-on-new)."
)]
pub(crate) struct RunArgs {
    /// Configuration file (TOML); variables and flags override it
    #[arg(long, value_name = "FILE", env = "PIDFLOW_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) options: Options,
    /// Run this command, watch only its processes, and report what they talked to when it ends; pidflow ends with its exit
    /// code
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// The report on a command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report (with a COMMAND)")]
pub(crate) struct ReportArgs {
    /// Format of the report [default: text]
    #[arg(long, value_name = "FORMAT", env = "PIDFLOW_REPORT", requires = "command")]
    pub(crate) report: Option<ReportFormat>,
    /// Write the report to this file instead of standard error
    #[arg(long, value_name = "FILE", env = "PIDFLOW_REPORT_FILE", requires = "command")]
    pub(crate) report_file: Option<PathBuf>,
    /// Compare the destinations with those in this file; write the file if it does not exist
    #[arg(long, value_name = "FILE", env = "PIDFLOW_BASELINE", requires = "command")]
    pub(crate) baseline: Option<PathBuf>,
    /// End with code 3 if a destination is not in the baseline, or 4 if one may be missing in the report, unless the command failed
    #[arg(long, env = "PIDFLOW_FAIL_ON_NEW", requires = "baseline")]
    pub(crate) fail_on_new: bool,
    /// When the command has ended, wait this long for processes that it left in the background; 0: do not wait
    /// [default: 2s]
    #[arg(long, value_name = "DURATION", env = "PIDFLOW_LINGER", requires = "command")]
    pub(crate) linger: Option<Timeout>,
}

/// `pidflow read`.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Capture files; - is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub(crate) captures: Vec<PathBuf>,
    /// Configuration file (TOML); variables and flags override it
    #[arg(long, value_name = "FILE", env = "PIDFLOW_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Read only packets that match this BPF filter (tcpdump syntax)
    #[arg(short, long, value_name = "BPF", env = "PIDFLOW_FILTER")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) flows: FlowOptions,
    #[command(flatten)]
    pub(crate) ndpi: NdpiOptions,
    #[command(flatten)]
    pub(crate) places: PlaceOptions,
    #[command(flatten)]
    pub(crate) export: ExportOptions,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// `pidflow collect`.
#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// Configuration file (TOML); variables and flags override it
    #[arg(long, value_name = "FILE", env = "PIDFLOW_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) collect: CollectOptions,
    #[command(flatten)]
    pub(crate) places: PlaceOptions,
    #[command(flatten)]
    pub(crate) export: ExportOptions,
    #[command(flatten)]
    pub(crate) http: HttpOptions,
    #[command(flatten)]
    pub(crate) history: HistoryOptions,
    #[command(flatten)]
    pub(crate) view: ViewOptions,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// `pidflow fields`.
#[derive(Debug, Args)]
pub(crate) struct FieldsArgs {
    /// Print a Markdown page
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    /// List the short names for expressions (--only, filter) instead
    #[arg(long, conflicts_with_all = ["markdown", "json"])]
    pub(crate) short: bool,
}

/// `pidflow check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "PIDFLOW_CONFIG")]
    pub(crate) config: PathBuf,
}

/// `pidflow audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every packet is accounted for, 1 packets are missing, 2 the agent does not answer or denies access."
)]
pub(crate) struct AuditArgs {
    /// Address on which the agent serves HTTP: the value of its own --listen [default: 127.0.0.1:9435]
    #[arg(long, value_name = "ADDR", env = "PIDFLOW_LISTEN")]
    pub(crate) listen: Option<Listen>,
    /// File with the agent's bearer token; the variable PIDFLOW_TOKEN can contain the token itself
    #[arg(long, value_name = "FILE", env = "PIDFLOW_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Use HTTPS, and trust the certificate authorities in this file (PEM); the agent's certificate must name the host of --listen
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Print JSON, as /api/ledger does
    #[arg(long)]
    pub(crate) json: bool,
}

/// `pidflow query`.
#[cfg(feature = "history")]
#[derive(Debug, Args)]
#[command(
    after_help = "Times: 90s, 15m, 1h or 7d ago, 14:30 (today), 2026-11-30, 2026-11-30T14:30, or with a time zone as in 2026-11-30T14:30:00Z. Without a time zone they are local times, like those printed. Exit codes: 0 success, 1 files of the history could not be read, 2 wrong usage."
)]
pub(crate) struct QueryArgs {
    /// Print only records for which this expression is true, such as 'process == "nginx" && dst.port == 443'. `pidflow fields
    /// --short` lists the names
    #[arg(value_name = "EXPRESSION")]
    pub(crate) filter: Option<Selection>,
    /// Folder of the history [default: /var/lib/pidflow/history]
    #[arg(long, value_name = "FOLDER", env = "PIDFLOW_HISTORY")]
    pub(crate) history: Option<FilePath>,
    /// Only flows with a packet at this time or later, 0: all [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<QueryTime>,
    /// Only flows with a packet at this time or earlier [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<QueryTime>,
    /// Sum up the records with the same values of these names, such as process,dst.port. A name such as process means either
    /// end: a record counts at both
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Sum up the records that ended in each interval of this length
    #[arg(long, value_name = "DURATION", conflicts_with = "by")]
    pub(crate) step: Option<Timeout>,
    /// Maximum number of lines: the latest records, or the groups with the most bytes [default: 100; with --by 20]
    #[arg(long, value_name = "N", conflicts_with = "step")]
    pub(crate) top: Option<Ranged<1, 10_000_000>>,
    /// Print JSON lines; records as --json of `run` writes them
    #[arg(long, conflicts_with = "table")]
    pub(crate) json: bool,
    /// Print a table (the default)
    #[arg(long)]
    pub(crate) table: bool,
    /// Give up after this long [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<Timeout>,
}

/// `pidflow doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) probes: crate::config::options::ProbeOptions,
    #[command(flatten)]
    pub(crate) kubernetes: crate::config::options::KubernetesOptions,
}

/// `pidflow generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    pub(crate) what: Generate,
}

/// What can be generated from the command line's definition.
#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// The man page, in roff
    Man,
    /// Completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_short_flag_has_a_long_name() {
        let root = Cli::command();
        for command in root.get_subcommands() {
            for arg in command.get_arguments() {
                assert!(
                    arg.get_short().is_none() || arg.get_long().is_some(),
                    "{} {}",
                    command.get_name(),
                    arg.get_id()
                );
            }
        }
    }

    #[test]
    fn every_option_has_a_variable_of_its_own() {
        let root = Cli::command();
        let run = root.find_subcommand("run").unwrap();
        let options = || run.get_arguments().filter(|a| a.get_id() != "help" && !a.is_positional());
        let names: std::collections::BTreeSet<_> = options().filter_map(clap::Arg::get_env).collect();
        assert_eq!(names.len(), options().count());
        assert!(names.iter().all(|n| n.to_str().is_some_and(|n| n.starts_with("PIDFLOW_"))));
    }
}
