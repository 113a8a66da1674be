//! Kafka's protocol: requests and responses with a number by which they belong together.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::{Numbers, ServiceMessage, is_all};

const LENGTH: usize = 4;
/// The greatest version of a request.
const MAX_VERSION: u16 = 20;
/// The greatest name of a client, bytes.
const MAX_CLIENT: usize = 255;

/// Names of requests, by their numbers.
const REQUESTS: &[&str] = &[
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "LeaderAndIsr",
    "StopReplica",
    "UpdateMetadata",
    "ControlledShutdown",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "SaslHandshake",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "WriteTxnMarkers",
    "TxnOffsetCommit",
    "DescribeAcls",
    "CreateAcls",
    "DeleteAcls",
    "DescribeConfigs",
    "AlterConfigs",
    "AlterReplicaLogDirs",
    "DescribeLogDirs",
    "SaslAuthenticate",
    "CreatePartitions",
    "CreateDelegationToken",
    "RenewDelegationToken",
    "ExpireDelegationToken",
    "DescribeDelegationToken",
    "DeleteGroups",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "OffsetDelete",
    "DescribeClientQuotas",
    "AlterClientQuotas",
    "DescribeUserScramCredentials",
    "AlterUserScramCredentials",
    "Vote",
    "BeginQuorumEpoch",
    "EndQuorumEpoch",
    "DescribeQuorum",
    "AlterPartition",
    "UpdateFeatures",
    "Envelope",
    "FetchSnapshot",
    "DescribeCluster",
    "DescribeProducers",
    "BrokerRegistration",
    "BrokerHeartbeat",
    "UnregisterBroker",
    "DescribeTransactions",
    "ListTransactions",
    "AllocateProducerIds",
    "ConsumerGroupHeartbeat",
];

/// Whether the payload is one message, by its length.
#[inline]
pub(super) fn fits(data: &[u8]) -> bool {
    matches!(*data, [0, l1, l2, l3, _, _, _, _, ..] if u32::from_be_bytes([0, l1, l2, l3]) as usize + LENGTH == data.len())
}

/// Reads a message, of which only the number is known if it is a response.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    let (length, rest) = data.split_first_chunk::<LENGTH>()?;
    if !is_all(u32::from_be_bytes(*length) as usize + LENGTH, data) {
        return None;
    }
    let as_response = rest.first_chunk().copied().map(u32::from_be_bytes)?;
    let (request, as_request) = request(rest).unzip();
    Some(ServiceMessage { kind: Kind::Kafka, request, numbers: Some(Numbers { as_request, as_response }) })
}

/// Number of the request's kind, its version, its own number, and the client's name. One without a name is not recognised, because
/// requests of ZooKeeper look like that.
fn request(rest: &[u8]) -> Option<(&'static str, u32)> {
    let ([k0, k1, v0, v1, n0, n1, n2, n3, c0, c1], rest) = rest.split_first_chunk::<10>()?;
    let name = REQUESTS.get(usize::from(u16::from_be_bytes([*k0, *k1])))?;
    let client = rest.get(..usize::from(u16::from_be_bytes([*c0, *c1])))?;
    let is_name = (1..=MAX_CLIENT).contains(&client.len()) && client.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let is_valid = is_name && u16::from_be_bytes([*v0, *v1]) <= MAX_VERSION;
    is_valid.then_some((name, u32::from_be_bytes([*n0, *n1, *n2, *n3])))
}
