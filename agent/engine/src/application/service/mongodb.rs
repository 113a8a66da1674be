//! MongoDB's wire protocol: OP_MSG and the older OP_QUERY.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::{ServiceMessage, is_all, word};

/// Length, number of the request, number of the request that is answered, operation.
const HEADER: usize = 16;
const OP_QUERY: u32 = 2004;
const OP_MSG: u32 = 2013;
/// The greatest message of a server.
const MAX_MESSAGE: u32 = 48_000_000;

/// Commands of clients, in order of their capital letters.
const COMMANDS: &[&str] = &[
    "abortTransaction",
    "aggregate",
    "authenticate",
    "buildInfo",
    "bulkWrite",
    "collMod",
    "collStats",
    "commitTransaction",
    "connectionStatus",
    "connPoolStats",
    "count",
    "create",
    "createIndexes",
    "createUser",
    "currentOp",
    "dbStats",
    "delete",
    "distinct",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "endSessions",
    "explain",
    "find",
    "findAndModify",
    "getLastError",
    "getLog",
    "getMore",
    "getParameter",
    "hello",
    "hostInfo",
    "insert",
    "isMaster",
    "killCursors",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "logout",
    "mapReduce",
    "ping",
    "profile",
    "refreshSessions",
    "renameCollection",
    "replSetGetStatus",
    "replSetHeartbeat",
    "replSetUpdatePosition",
    "saslContinue",
    "saslStart",
    "serverStatus",
    "startSession",
    "update",
    "usersInfo",
    "whatsmyuri",
];

/// Whether the payload begins with a message whose operation is known.
#[inline]
pub(super) fn fits(data: &[u8]) -> bool {
    matches!(data.get(12..HEADER), Some([0xd4 | 0xdd, 7, 0, 0]))
}

/// Reads a message. The command is the first name in the document of a request; an answer proves nothing.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    let (header, body) = data.split_first_chunk::<HEADER>()?;
    let [l0, l1, l2, l3, _, _, _, _, a0, a1, a2, a3, o0, o1, o2, o3] = *header;
    let (length, answers) = (u32::from_le_bytes([l0, l1, l2, l3]), [a0, a1, a2, a3]);
    if length > MAX_MESSAGE || answers != [0; 4] || !is_all(length as usize, data) {
        return None;
    }
    let document = match u32::from_le_bytes([o0, o1, o2, o3]) {
        // Flags, then sections, of which the first is of kind 0.
        OP_MSG => body.get(4..)?.strip_prefix(&[0])?,
        // Flags, the collection's name, two numbers.
        OP_QUERY => body.get(4..)?.splitn(2, |byte| *byte == 0).nth(1)?.get(8..)?,
        _ => return None,
    };
    // Length of the document, type of its first value, name.
    let name = document.get(5..)?;
    let end = name.iter().take(64).position(|byte| *byte == 0)?;
    let command = word(COMMANDS, name.get(..end)?)?;
    Some(ServiceMessage::of(Kind::MongoDb, Some(command)))
}

#[cfg(test)]
mod tests {
    use super::COMMANDS;

    #[test]
    fn the_list_is_in_order() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.to_ascii_uppercase()));
    }
}
