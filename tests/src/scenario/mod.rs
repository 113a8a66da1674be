//! Traffic with ground truth. Everything is bounded in count and time, stays on loopback or in namespaces that the
//! scenario makes itself, and ends only processes that it started.

mod args;
mod burst;
mod changes;
mod closing;
mod contested;
mod crowd;
mod disk;
mod equal_ports;
mod flood;
mod links;
mod listeners;
mod load;
mod metrics;
mod netns;
mod overload;
mod peers;
mod ping;
mod server;
mod setting;
mod tcp;
mod translated;
mod tunnel;
mod udp;
pub mod ways;
mod wire;

use anyhow::{Result, bail};

use args::Args;

/// Runs the scenario that the arguments name.
pub fn main(arguments: impl Iterator<Item = String>) -> Result<()> {
    let args = Args::parse(arguments)?;
    match args.scenario() {
        "burst" => burst::run(&args),
        "launch" => burst::launch(&args),
        "shell" => burst::shell(&args),
        "client" => burst::client(&args),
        "serve" => server::run(),
        "crowd-serve" => crowd::serve(&args),
        "crowd-ask" => crowd::ask(&args),
        "prefork" => tcp::prefork(&args),
        "fdpass" => tcp::fdpass(&args),
        "preexisting" => tcp::preexisting(&args),
        "exec-after-connect" => tcp::exec_after_connect(&args),
        "exec-continue" => tcp::exec_continue(&args),
        "comeback" => tcp::comeback(&args),
        "accept-close" => closing::run(&args),
        "changes" => changes::run(&args),
        "refused" => tcp::refused(&args),
        "unroutable" => tcp::unroutable(&args),
        "timeout" => tcp::timeout(&args),
        "threads" => tcp::threads(&args),
        "udp-recv-only" => udp::receive_only(&args),
        "udp-connected" => udp::connected(&args),
        "udp-unconnected" => udp::unconnected(&args),
        "udp-handover" => contested::handover(&args),
        "udp-given-up" => contested::given_up(&args),
        "udp-reuseport" => equal_ports::reuseport(&args),
        "udp-reuseport-silent" => equal_ports::reuseport_silent(&args),
        "udp-equal-ports" => equal_ports::several_addresses(&args),
        "raw-holders" => contested::raw_holders(&args),
        "pid-reuse" => contested::pid_reuse(&args),
        "refused-elsewhere" => contested::refused_elsewhere(&args),
        "netns" => netns::run(&args),
        "translated" => translated::run(&args),
        "peers-serve" => peers::serve(&args),
        "peers-proxy" => peers::proxy(&args),
        "peers-ask" => peers::ask(&args),
        "tunnel" => tunnel::run(&args),
        "unreachable" => netns::unreachable(&args),
        "ping" => ping::run(&args),
        "metrics" => metrics::run(&args),
        "flood" => flood::run(&args),
        "flood-connect" => flood::connect(&args),
        "listeners" => listeners::run(&args),
        "ways" => ways::run(&args),
        "load" => load::run(&args),
        "overload" => overload::run(&args),
        "guest" => crate::guest::run(&args.need::<String>("backends")?),
        other => bail!("unknown scenario {other:?}"),
    }
}
