//! The ids that the kernel assigned to other network namespaces in this one. Its messages about a veth interface
//! identify the namespace of the other end by such an id.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::notices::{NAMESPACE_IDS, Notices};

/// Reads the ids of namespaces.
#[derive(Debug)]
pub(super) struct NamespaceIds {
    changes: Option<Notices>,
    /// None: the kernel cannot be asked.
    socket: Option<Socket>,
}

impl NamespaceIds {
    /// Reads no id yet.
    pub(super) fn new() -> Self {
        let changes = Notices::listen(NAMESPACE_IDS);
        let socket = connected();
        if let Some(e) = changes.as_ref().err().or(socket.as_ref().err()) {
            tracing::debug!("ids of network namespaces cannot be read: {e}");
        }
        Self { changes: changes.ok(), socket: socket.ok() }
    }

    /// Whether the kernel assigned or released ids since the last call.
    pub(super) fn have_changed(&self) -> bool {
        self.changes.as_ref().is_some_and(Notices::take)
    }

    /// The id and the inode number of a process's namespace, read through the same open file. None: the namespace has
    /// no id, or the process cannot be read.
    pub(super) fn of(&self, process: u32) -> Option<(i32, u32)> {
        let namespace = File::open(format!("/proc/{process}/ns/net")).ok()?;
        let inode = u32::try_from(namespace.metadata().ok()?.ino()).ok()?;
        let id = ask(self.socket.as_ref()?, &namespace).ok()?;
        Some((id.filter(|id| *id >= 0)?, inode))
    }
}

fn connected() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

fn ask(socket: &Socket, namespace: &File) -> io::Result<Option<i32>> {
    let mut request = NsidMessage::default();
    request.attributes = vec![NsidAttribute::Fd(namespace.as_raw_fd().cast_unsigned())];
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let payload = NetlinkPayload::from(RouteNetlinkMessage::GetNsId(request));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    id(&answer)
}

fn id(answer: &[u8]) -> io::Result<Option<i32>> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer).map_err(io::Error::other)?;
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNsId(answer)) => {
            Ok(answer.attributes.into_iter().find_map(|attribute| match attribute {
                NsidAttribute::Id(id) => Some(id),
                _ => None,
            }))
        }
        NetlinkPayload::Error(e) => Err(e.to_io()),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_without_interfaces_to_it_has_no_number_and_no_answer_panics() {
        let ids = NamespaceIds::new();
        assert_eq!(ids.of(std::process::id()), None);
        assert_eq!(ids.of(u32::MAX), None);
        assert!(!ids.have_changed());
        for answer in [&[][..], &[0; 3], &[0xff; 40]] {
            assert!(id(answer).is_err());
        }
    }
}
