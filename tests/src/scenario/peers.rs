//! Programs for tests that start them in network namespaces: a server, a client that reports what it sent and received, over TCP
//! and UDP, and a proxy.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::args::Args;
use crate::truth::Talk;

/// Length of the server's answer over TCP, bytes.
const ANSWER: usize = 300;
/// Datagrams that a client sends in a conversation. The server sends each of them back.
const DATAGRAMS: usize = 3;
/// Maximum wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Serves at `--at`, until it is killed.
pub(super) fn serve(args: &Args) -> Result<()> {
    let at: SocketAddr = args.need("at")?;
    let (listener, socket) = (TcpListener::bind(at)?, UdpSocket::bind(at)?);
    thread::spawn(move || echo(&socket));
    println!("ready");
    for stream in listener.incoming() {
        answer(stream?)?;
    }
    Ok(())
}

fn echo(socket: &UdpSocket) {
    let mut buffer = [0; 2048];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        // A client that gets no answer reports that.
        let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), peer);
    }
}

/// The client closes first, so that its port is not used again soon.
fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.read_to_end(&mut Vec::new())?;
    stream.write_all(&[b'a'; ANSWER])?;
    Ok(())
}

/// Accepts connections at `--at` and makes a connection to `--to` for each.
pub(super) fn proxy(args: &Args) -> Result<()> {
    let (at, to): (SocketAddr, SocketAddr) = (args.need("at")?, args.need("to")?);
    let listener = TcpListener::bind(at)?;
    println!("ready");
    for stream in listener.incoming() {
        relay(stream?, TcpStream::connect(to)?)?;
    }
    Ok(())
}

fn relay(mut client: TcpStream, mut server: TcpStream) -> Result<()> {
    std::io::copy(&mut client, &mut server)?;
    server.shutdown(Shutdown::Write)?;
    std::io::copy(&mut server, &mut client)?;
    Ok(())
}

/// Makes `--count` conversations with `--to` over `--protocol`, and prints for each what was sent and received. UDP sockets use the
/// ports from `--ports` on.
pub(super) fn ask(args: &Args) -> Result<()> {
    let (to, count): (SocketAddr, u16) = (args.need("to")?, args.need("count")?);
    let (protocol, ports): (String, u16) = (args.need("protocol")?, args.get("ports", 0)?);
    for n in 0..count {
        let size = 100 + usize::from(n % 7) * 200;
        let talk = match protocol.as_str() {
            "tcp" => over_tcp(to, size),
            _ => over_udp(to, ports + n, size),
        };
        let talk = talk.with_context(|| format!("{protocol} to {to}, number {n}"))?;
        println!("{}", serde_json::to_string(&talk)?);
    }
    Ok(())
}

fn over_tcp(to: SocketAddr, size: usize) -> Result<Talk> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&vec![b'q'; size])?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(Talk { source: stream.local_addr()?, sent: size, received: answer.len() })
}

fn over_udp(to: SocketAddr, port: u16, size: usize) -> Result<Talk> {
    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(to)?;
    for _ in 0..DATAGRAMS {
        socket.send(&vec![b'q'; size])?;
        ensure!(socket.recv(&mut [0; 2048])? == size, "a cut answer");
    }
    let all = DATAGRAMS * size;
    Ok(Talk { source: socket.local_addr()?, sent: all, received: all })
}
