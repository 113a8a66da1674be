//! Finds the user of a connection over loopback in the kernel's table of sockets.

use std::io;
use std::net::SocketAddr;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, IPPROTO_TCP, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2,
};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::client::Client;

/// The user id that the kernel shows for users outside the agent's user namespace (`/proc/sys/kernel/overflowuid`).
const UNMAPPED_UID: u32 = 65_534;
const ROOT: u32 = 0;
/// The answer has one socket, and attributes that were not requested.
const ANSWER_BYTES: usize = 4096;

/// Asks the kernel with sock_diag(7) for one socket at a time, which it finds by its hash, however many sockets there
/// are.
pub(super) struct LocalUsers {
    socket: Socket,
    own_uid: u32,
    /// Who started the agent with sudo(8), which sets `SUDO_UID`; none: it was not started so.
    invoker: Option<u32>,
}

impl LocalUsers {
    /// Opens the socket.
    ///
    /// # Errors
    /// The kernel has no sock_diag, or a filter of system calls refuses it.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
        // The kernel answers during `send`, so this does not block.
        socket.set_non_blocking(true)?;
        let own_uid = rustix::process::geteuid().as_raw();
        let invoker = std::env::var("SUDO_UID").ok().filter(|_| own_uid == ROOT).and_then(|uid| uid.parse().ok());
        Ok(Self { socket, own_uid, invoker })
    }

    /// Whether the client is the agent's own user, who started it with sudo, or root; false if it cannot be determined.
    pub(super) fn is_trusted(&self, client: &Client) -> bool {
        let uid = self.uid(client.address, client.local);
        uid.is_ok_and(|uid| uid == ROOT || ((uid == self.own_uid || self.invoker == Some(uid)) && uid != UNMAPPED_UID))
    }

    /// The owner of the socket at `theirs` that is connected to `ours`.
    fn uid(&self, theirs: SocketAddr, ours: SocketAddr) -> io::Result<u32> {
        let request = request(theirs, ours);
        while self.socket.recv(&mut &mut [0; ANSWER_BYTES][..], 0).is_ok() {} // Left over from a request that failed.
        self.socket.send(&request, 0)?;
        let mut answer = [0; ANSWER_BYTES];
        let length = self.socket.recv(&mut &mut answer[..], 0)?;
        let answer = NetlinkMessage::<SockDiagMessage>::deserialize(answer.get(..length).unwrap_or_default());
        match answer.map_err(io::Error::other)?.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => {
                owner(&found, theirs, ours).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            NetlinkPayload::Error(e) => Err(e.to_io()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The request for one socket.
fn request(theirs: SocketAddr, ours: SocketAddr) -> Vec<u8> {
    let id = SocketId {
        source_port: theirs.port(),
        destination_port: ours.port(),
        source_address: theirs.ip().to_canonical(),
        destination_address: ours.ip().to_canonical(),
        interface_id: 0,
        cookie: [0xff; 8],
    };
    let request = InetRequest {
        family: if id.source_address.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: id,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The owner of the socket found, if it is exactly the requested one and a process has it open. If there is no such
/// socket, the kernel returns a listener of that port, and sockets that no process has open count as root's
/// (`inet_diag_find_one_icsk` and `inet_diag_msg_common_fill` in net/ipv4/inet_diag.c).
fn owner(found: &InetResponse, theirs: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let (header, id) = (&found.header, &found.header.socket_id);
    let end = |address: std::net::IpAddr, port| SocketAddr::new(address.to_canonical(), port);
    let is_connected = [TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSE_WAIT].contains(&header.state);
    let is_same = end(id.source_address, id.source_port) == end(theirs.ip(), theirs.port())
        && end(id.destination_address, id.destination_port) == end(ours.ip(), ours.port());
    (is_connected && is_same && header.inode != 0).then_some(header.uid)
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    /// A connection to this address, and its two ends as the server sees them.
    fn connect(listen: &str, to: &str) -> (TcpStream, TcpStream, Client) {
        let listener = TcpListener::bind(listen).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(format!("{to}:{port}")).unwrap();
        let (server, address) = listener.accept().unwrap();
        let ends = Client::new(address, server.local_addr().unwrap());
        (client, server, ends)
    }

    fn uid(users: &LocalUsers, ends: &Client) -> io::Result<u32> {
        users.uid(ends.address, ends.local)
    }

    #[test]
    fn the_owner_of_a_connection_is_known_while_it_has_it_open() {
        let users = LocalUsers::open().unwrap();
        for (listen, to) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("127.0.0.1:0", "[::ffff:127.0.0.1]"),
            ("[::1]:0", "[::1]"),
            ("[::]:0", "127.0.0.1"),
        ] {
            let (client, _server, ends) = connect(listen, to);
            assert_eq!(uid(&users, &ends).unwrap(), users.own_uid, "{to}");
            assert!(users.is_trusted(&ends));
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(uid(&users, &ends).unwrap(), users.own_uid, "{to}: it has asked and waits for the answer");
            drop(client);
            assert!(uid(&users, &ends).is_err(), "{to}: sockets without a process look like root's");
            assert!(!users.is_trusted(&ends));
        }
    }

    #[test]
    fn a_listener_on_the_clients_port_is_not_taken_for_the_client() {
        let users = LocalUsers::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ends = Client::new(listener.local_addr().unwrap(), "127.0.0.1:9".parse().unwrap());
        assert!(uid(&users, &ends).is_err());
    }

    #[test]
    fn another_user_is_distinguished_from_root() {
        let users = LocalUsers::open().unwrap();
        if pidflow_skip::without_root("another_user_is_told_from_root") {
            return;
        }
        let (client, _server, ends) = connect("127.0.0.1:0", "127.0.0.1");
        // SAFETY: changes the owner of our own socket.
        assert_eq!(unsafe { libc::fchown(client.as_raw_fd(), 1234, 1234) }, 0);
        assert_eq!((uid(&users, &ends).unwrap(), users.is_trusted(&ends)), (1234, false));
        let of_that_user = LocalUsers { own_uid: 1234, ..LocalUsers::open().unwrap() };
        assert!(of_that_user.is_trusted(&ends));
        let (_client, _server, ends) = connect("127.0.0.1:0", "127.0.0.1");
        assert!(of_that_user.is_trusted(&ends), "root may ask whoever runs the agent");
    }
}
