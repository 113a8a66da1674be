//! Steady traffic of several client processes until standard input ends, for tests of the agent's end.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::args::Args;
use super::wire::{self, Closer, LOOPBACKS, Plan};
use crate::sys;

/// Every client makes one exchange every `--pause-ms`, for `--seconds` at most.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let until = Instant::now() + Duration::from_secs(args.get("seconds", 120)?);
    let pause = Duration::from_millis(args.get("pause-ms", 5)?);
    let (mut servers, mut clients) = (Vec::new(), Vec::new());
    for address in LOOPBACKS {
        let (server, tcp) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
        servers.push(server);
        let (server, udp) = wire::fork_receiver(address, |socket| wire::answer_forever(&socket))?;
        servers.push(server);
        clients.push(sys::fork(|| work(until, pause, &truth, tcp, true))?);
        clients.push(sys::fork(|| work(until, pause, &truth, udp, false))?);
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // Clients are killed when dropped, at any point: only finished exchanges are in the truth.
    Ok(())
}

fn work(until: Instant, pause: Duration, truth: &File, target: SocketAddr, tcp: bool) -> Result<()> {
    let mut turn = 0_u32;
    while Instant::now() < until {
        turn += 1;
        let plan = Plan {
            closer: if turn.is_multiple_of(2) { Closer::Client } else { Closer::Server },
            ..Plan::plain("load", target)
        };
        let exchange = if tcp { wire::tcp_exchange(plan) } else { wire::udp_exchange(plan, turn.is_multiple_of(2)) };
        exchange?.append_to(truth)?;
        thread::sleep(pause);
    }
    Ok(())
}
