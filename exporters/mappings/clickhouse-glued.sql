-- Generated from pidflow's element table by `cargo run -p pidflow-exporters --example mappings`.
-- After clickhouse.sql: puts together what the agents of several hosts saw of one flow. See docs/several-hosts.md.

-- What is known of each flow, whichever agent reported it. All columns are aggregated by functions that give the same result in
-- whatever order records arrive, and if they arrive twice. The ends of a flow are stored in an order that all agents agree on:
-- source and destination, or by address where it is not certain which end is the source.
CREATE TABLE IF NOT EXISTS glued_flows
(
    `day` Date COMMENT 'Day of the record''s last packet.',
    `key` FixedString(16) COMMENT 'FLOW_KEY.',
    `slot` DateTime COMMENT 'A key made from a connection''s sequence numbers stands for one flow: 0. Other keys: 15 seconds of the record''s end.',
    `is_exact` SimpleAggregateFunction(max, UInt8) COMMENT 'The key is made from sequence numbers.',
    `first_packet` SimpleAggregateFunction(min, DateTime64(3)),
    `last_packet` SimpleAggregateFunction(max, DateTime64(3)),
    `protocol` SimpleAggregateFunction(max, UInt8),
    `initiator` SimpleAggregateFunction(max, Tuple(certainty UInt8, earliness Int64, is_first_end UInt8)),
    `first_end` SimpleAggregateFunction(max, Tuple(certainty UInt8, last_ms UInt64, observer String, host String, address String, port UInt16, PROC_PID UInt64, PROC_START_TIME UInt64, PROC_NAME String, PROC_USER_NAME String, PROC_ATTRIBUTION String, PROC_EXECUTABLE String, PROC_CMDLINE String, PROC_ANCESTORS String, PROC_CONTAINER_ID String, PROC_UNIT String, PROC_PEAK_MEMORY_64 UInt64, FATHER_PROC_PID UInt64, FATHER_PROC_NAME String, NETWORK_NAMESPACE UInt64, K8S_NAMESPACE String, K8S_POD String, K8S_CONTAINER String, K8S_OWNER_KIND String, K8S_OWNER String)),
    `second_end` SimpleAggregateFunction(max, Tuple(certainty UInt8, last_ms UInt64, observer String, host String, address String, port UInt16, PROC_PID UInt64, PROC_START_TIME UInt64, PROC_NAME String, PROC_USER_NAME String, PROC_ATTRIBUTION String, PROC_EXECUTABLE String, PROC_CMDLINE String, PROC_ANCESTORS String, PROC_CONTAINER_ID String, PROC_UNIT String, PROC_PEAK_MEMORY_64 UInt64, FATHER_PROC_PID UInt64, FATHER_PROC_NAME String, NETWORK_NAMESPACE UInt64, K8S_NAMESPACE String, K8S_POD String, K8S_CONTAINER String, K8S_OWNER_KIND String, K8S_OWNER String)),
    `first_names` SimpleAggregateFunction(max, Tuple(host_name String, service String)) COMMENT 'What the other end calls it.',
    `second_names` SimpleAggregateFunction(max, Tuple(host_name String, service String)),
    `first_processes` SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    `second_processes` SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    `records` SimpleAggregateFunction(maxMap, Tuple(Array(String), Array(UInt64), Array(UInt64), Array(UInt64), Array(UInt64)))
        COMMENT 'By ''FIRST-LAST OBSERVER'' of each record: packets and bytes from the first end to the second, and back.',
    `ended_at` SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'Observers whose last record has arrived.',
    `tcp_flags` SimpleAggregateFunction(groupBitOr, UInt16),
    `connect_microseconds` SimpleAggregateFunction(max, UInt64),
    `connect_error` SimpleAggregateFunction(max, UInt16),
    `application` SimpleAggregateFunction(max, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY day
ORDER BY (key, slot)
TTL day + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS glue_flows TO glued_flows AS
WITH
    FLOW_KEY_BASIS = 'tcp-sequence' AS exact,
    ifNull(OBSERVER, ifNull(HOST_NAME, '')) AS seen_by,
    ifNull(FLOW_START_MILLISECONDS, toUnixTimestamp(FIRST_SWITCHED) * 1000) AS first_ms,
    ifNull(FLOW_END_MILLISECONDS, toUnixTimestamp(LAST_SWITCHED) * 1000) AS last_ms,
    -- From the least certain to the most; 0 where the agent is not at this end.
    ['no-process', 'no-socket', 'ambiguous', 'kernel', 'listener-only', 'snapshot-port', 'snapshot-tuple', 'local-port-event',
        'socket-event'] AS certainties,
    indexOf(certainties, ifNull(SRC_PROC_ATTRIBUTION, '')) AS src_certainty,
    indexOf(certainties, ifNull(DST_PROC_ATTRIBUTION, '')) AS dst_certainty,
    -- As Community ID orders them.
    (toIPv6(coalesce(toString(POST_NAT_SRC_IPV4_ADDR), toString(POST_NAT_SRC_IPV6_ADDR), toString(IPV4_SRC_ADDR),
        toString(IPV6_SRC_ADDR), '::')), coalesce(POST_NAPT_SRC_TRANSPORT_PORT, L4_SRC_PORT, 0)) AS src_after,
    (toIPv6(coalesce(toString(POST_NAT_DST_IPV4_ADDR), toString(POST_NAT_DST_IPV6_ADDR), toString(IPV4_DST_ADDR),
        toString(IPV6_DST_ADDR), '::')), coalesce(POST_NAPT_DST_TRANSPORT_PORT, L4_DST_PORT, 0)) AS dst_after,
    NOT exact AND src_after > dst_after AS is_turned,
    tuple(toUInt8(src_certainty), toUInt64(last_ms), if(src_certainty > 0, seen_by, ''), if(src_certainty > 0, ifNull(toString(HOST_NAME), ''), ''), coalesce(toString(IPV4_SRC_ADDR), toString(IPV6_SRC_ADDR), ''), ifNull(L4_SRC_PORT, 0), toUInt64(ifNull(SRC_PROC_PID, 0)), toUInt64(ifNull(SRC_PROC_START_TIME, 0)), ifNull(toString(SRC_PROC_NAME), ''), ifNull(toString(SRC_PROC_USER_NAME), ''), ifNull(toString(SRC_PROC_ATTRIBUTION), ''), ifNull(toString(SRC_PROC_EXECUTABLE), ''), ifNull(toString(SRC_PROC_CMDLINE), ''), ifNull(toString(SRC_PROC_ANCESTORS), ''), ifNull(toString(SRC_PROC_CONTAINER_ID), ''), ifNull(toString(SRC_PROC_UNIT), ''), toUInt64(ifNull(SRC_PROC_PEAK_MEMORY_64, 0)), toUInt64(ifNull(SRC_FATHER_PROC_PID, 0)), ifNull(toString(SRC_FATHER_PROC_NAME), ''), toUInt64(ifNull(SRC_NETWORK_NAMESPACE, 0)), ifNull(toString(SRC_K8S_NAMESPACE), ''), ifNull(toString(SRC_K8S_POD), ''), ifNull(toString(SRC_K8S_CONTAINER), ''), ifNull(toString(SRC_K8S_OWNER_KIND), ''), ifNull(toString(SRC_K8S_OWNER), '')) AS src,
    tuple(toUInt8(dst_certainty), toUInt64(last_ms), if(dst_certainty > 0, seen_by, ''), if(dst_certainty > 0, ifNull(toString(HOST_NAME), ''), ''), coalesce(toString(IPV4_DST_ADDR), toString(IPV6_DST_ADDR), ''), ifNull(L4_DST_PORT, 0), toUInt64(ifNull(DST_PROC_PID, 0)), toUInt64(ifNull(DST_PROC_START_TIME, 0)), ifNull(toString(DST_PROC_NAME), ''), ifNull(toString(DST_PROC_USER_NAME), ''), ifNull(toString(DST_PROC_ATTRIBUTION), ''), ifNull(toString(DST_PROC_EXECUTABLE), ''), ifNull(toString(DST_PROC_CMDLINE), ''), ifNull(toString(DST_PROC_ANCESTORS), ''), ifNull(toString(DST_PROC_CONTAINER_ID), ''), ifNull(toString(DST_PROC_UNIT), ''), toUInt64(ifNull(DST_PROC_PEAK_MEMORY_64, 0)), toUInt64(ifNull(DST_FATHER_PROC_PID, 0)), ifNull(toString(DST_FATHER_PROC_NAME), ''), toUInt64(ifNull(DST_NETWORK_NAMESPACE, 0)), ifNull(toString(DST_K8S_NAMESPACE), ''), ifNull(toString(DST_K8S_POD), ''), ifNull(toString(DST_K8S_CONTAINER), ''), ifNull(toString(DST_K8S_OWNER_KIND), ''), ifNull(toString(DST_K8S_OWNER), '')) AS dst,
    tuple(ifNull(toString(SRC_HOST_NAME), ''), ifNull(toString(SRC_K8S_SERVICE), '')) AS src_names,
    tuple(ifNull(toString(DST_HOST_NAME), ''), ifNull(toString(DST_K8S_SERVICE), '')) AS dst_names,
    if(SRC_PROC_PID > 0, [cityHash64(seen_by, assumeNotNull(SRC_PROC_PID), ifNull(SRC_PROC_START_TIME, 0))], []) AS src_process,
    if(DST_PROC_PID > 0, [cityHash64(seen_by, assumeNotNull(DST_PROC_PID), ifNull(DST_PROC_START_TIME, 0))], []) AS dst_process,
    [toUInt64(ifNull(IN_PKTS, 0))] AS in_packets,
    [toUInt64(ifNull(IN_BYTES, 0))] AS in_bytes,
    [toUInt64(ifNull(OUT_PKTS, 0))] AS out_packets,
    [toUInt64(ifNull(OUT_BYTES, 0))] AS out_bytes
SELECT
    toDate(fromUnixTimestamp64Milli(toInt64(last_ms), 'UTC')) AS day,
    toFixedString(unhex(assumeNotNull(FLOW_KEY)), 16) AS key,
    toDateTime(if(exact, 0, intDiv(last_ms, 15000) * 15)) AS slot,
    toUInt8(exact) AS is_exact,
    fromUnixTimestamp64Milli(toInt64(first_ms)) AS first_packet,
    fromUnixTimestamp64Milli(toInt64(last_ms)) AS last_packet,
    ifNull(PROTOCOL, 0) AS protocol,
    tuple(toUInt8(indexOf(['syn', 'socket'], ifNull(INITIATOR_BASIS, ''))), -toInt64(first_ms), toUInt8(NOT is_turned)) AS initiator,
    if(is_turned, dst, src) AS first_end,
    if(is_turned, src, dst) AS second_end,
    if(is_turned, dst_names, src_names) AS first_names,
    if(is_turned, src_names, dst_names) AS second_names,
    if(is_turned, dst_process, src_process) AS first_processes,
    if(is_turned, src_process, dst_process) AS second_processes,
    tuple(
        [format('{}-{} {}', toString(first_ms), toString(last_ms), seen_by)],
        if(is_turned, out_packets, in_packets),
        if(is_turned, out_bytes, in_bytes),
        if(is_turned, in_packets, out_packets),
        if(is_turned, in_bytes, out_bytes)) AS records,
    if(FLOW_END_REASON != 2, [seen_by], []) AS ended_at,
    ifNull(TCP_FLAGS, 0) AS tcp_flags,
    toUInt64(ifNull(CONNECT_MICROSECONDS, 0)) AS connect_microseconds,
    ifNull(CONNECT_ERROR, 0) AS connect_error,
    ifNull(toString(L7_PROTO_NAME), '') AS application
FROM flows
WHERE FLOW_KEY IS NOT NULL AND seen_by != '';

-- One row per flow, of records of these days: SELECT … FROM whole_flows_of_days(first_day = today() - 1, last_day = today()).
CREATE VIEW IF NOT EXISTS whole_flows_of_days AS
WITH
    -- Flows of one key that is not exact: after a pause longer than the agents' idle timeout another one begins.
    paused AS
    (
        SELECT *, NOT is_exact AND first_packet > max(last_packet) OVER (PARTITION BY key ORDER BY first_packet, last_packet
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + INTERVAL 15 SECOND AS is_new
        FROM glued_flows
        WHERE day BETWEEN {first_day:Date} AND {last_day:Date}
    ),
    numbered AS
    (
        SELECT *, sum(is_new) OVER (PARTITION BY key ORDER BY first_packet, last_packet ROWS UNBOUNDED PRECEDING) AS number
        FROM paused
    ),
    flow AS
    (
        SELECT
            key,
            max(is_exact) AS exact,
            min(first_packet) AS flow_start,
            max(last_packet) AS flow_end,
            max(protocol) AS PROTOCOL,
            max(initiator).is_first_end AS as_stored,
            max(first_end) AS first,
            max(second_end) AS second,
            max(first_names) AS first_called,
            max(second_names) AS second_called,
            length(groupUniqArrayArray(first_processes)) AS first_count,
            length(groupUniqArrayArray(second_processes)) AS second_count,
            maxMap(records) AS parts,
            groupUniqArrayArray(ended_at) AS ended,
            groupBitOr(tcp_flags) AS TCP_FLAGS,
            max(connect_microseconds) AS connected_in,
            max(connect_error) AS error,
            max(application) AS L7_PROTO_NAME
        FROM numbered
        GROUP BY key, number
    ),
    summed AS
    (
        SELECT
            *,
            if(as_stored, first, second) AS src,
            if(as_stored, second, first) AS dst,
            if(as_stored, first_called, second_called) AS src_called,
            if(as_stored, second_called, first_called) AS dst_called,
            if(as_stored, first_count, second_count) AS SRC_PROCESSES,
            if(as_stored, second_count, first_count) AS DST_PROCESSES,
            arraySort(arrayDistinct(arrayMap(part -> substring(part, position(part, ' ') + 1), parts.1))) AS observers,
            -- Per observer, in the order of `observers`: packets and bytes from the first end, and to it; the first packet's time.
            arrayMap(o -> arrayMap(n -> endsWith(n, concat(' ', o)), parts.1), observers) AS are_of,
            arrayMap(o -> arraySum((is_of, n) -> is_of * n, o, parts.2), are_of) AS packets_there,
            arrayMap(o -> arraySum((is_of, n) -> is_of * n, o, parts.3), are_of) AS bytes_there,
            arrayMap(o -> arraySum((is_of, n) -> is_of * n, o, parts.4), are_of) AS packets_back,
            arrayMap(o -> arraySum((is_of, n) -> is_of * n, o, parts.5), are_of) AS bytes_back,
            if(as_stored, packets_there, packets_back) AS in_packets,
            if(as_stored, bytes_there, bytes_back) AS in_bytes,
            if(as_stored, packets_back, packets_there) AS out_packets,
            if(as_stored, bytes_back, bytes_there) AS out_bytes,
            arrayMap(o -> arrayMin((is_of, part) -> if(is_of, toUInt64(splitByChar('-', part)[1]), 18446744073709551615), o, parts.1), are_of) AS starts,
            if(src.certainty > 0, indexOf(observers, src.observer), 0) AS at_src,
            if(dst.certainty > 0, indexOf(observers, dst.observer), 0) AS at_dst,
            at_src > 0 AND at_dst > 0 AND src.observer != dst.observer AS is_glued,
            -- Both saw all of it.
            is_glued AND has(ended, src.observer) AND has(ended, dst.observer)
                AND (exact OR abs(toInt64(starts[at_src]) - toInt64(starts[at_dst])) <= 1000) AS can_compare
        FROM flow
    )
SELECT
    lower(hex(key)) AS FLOW_KEY,
    if(exact, 'tcp-sequence', 'community-id') AS FLOW_KEY_BASIS,
    is_glued AS IS_GLUED,
    flow_start,
    flow_end,
    PROTOCOL,
    src.observer AS SRC_OBSERVER,
    src.host AS SRC_OBSERVER_HOST,
    src.address AS SRC_ADDR,
    src.port AS SRC_PORT,
    nullIf(src.PROC_PID, 0) AS SRC_PROC_PID,
    nullIf(src.PROC_START_TIME, 0) AS SRC_PROC_START_TIME,
    src.PROC_NAME AS SRC_PROC_NAME,
    src.PROC_USER_NAME AS SRC_PROC_USER_NAME,
    src.PROC_ATTRIBUTION AS SRC_PROC_ATTRIBUTION,
    src.PROC_EXECUTABLE AS SRC_PROC_EXECUTABLE,
    src.PROC_CMDLINE AS SRC_PROC_CMDLINE,
    src.PROC_ANCESTORS AS SRC_PROC_ANCESTORS,
    src.PROC_CONTAINER_ID AS SRC_PROC_CONTAINER_ID,
    src.PROC_UNIT AS SRC_PROC_UNIT,
    nullIf(src.PROC_PEAK_MEMORY_64, 0) AS SRC_PROC_PEAK_MEMORY_64,
    nullIf(src.FATHER_PROC_PID, 0) AS SRC_FATHER_PROC_PID,
    src.FATHER_PROC_NAME AS SRC_FATHER_PROC_NAME,
    nullIf(src.NETWORK_NAMESPACE, 0) AS SRC_NETWORK_NAMESPACE,
    src.K8S_NAMESPACE AS SRC_K8S_NAMESPACE,
    src.K8S_POD AS SRC_K8S_POD,
    src.K8S_CONTAINER AS SRC_K8S_CONTAINER,
    src.K8S_OWNER_KIND AS SRC_K8S_OWNER_KIND,
    src.K8S_OWNER AS SRC_K8S_OWNER,
    dst.observer AS DST_OBSERVER,
    dst.host AS DST_OBSERVER_HOST,
    dst.address AS DST_ADDR,
    dst.port AS DST_PORT,
    nullIf(dst.PROC_PID, 0) AS DST_PROC_PID,
    nullIf(dst.PROC_START_TIME, 0) AS DST_PROC_START_TIME,
    dst.PROC_NAME AS DST_PROC_NAME,
    dst.PROC_USER_NAME AS DST_PROC_USER_NAME,
    dst.PROC_ATTRIBUTION AS DST_PROC_ATTRIBUTION,
    dst.PROC_EXECUTABLE AS DST_PROC_EXECUTABLE,
    dst.PROC_CMDLINE AS DST_PROC_CMDLINE,
    dst.PROC_ANCESTORS AS DST_PROC_ANCESTORS,
    dst.PROC_CONTAINER_ID AS DST_PROC_CONTAINER_ID,
    dst.PROC_UNIT AS DST_PROC_UNIT,
    nullIf(dst.PROC_PEAK_MEMORY_64, 0) AS DST_PROC_PEAK_MEMORY_64,
    nullIf(dst.FATHER_PROC_PID, 0) AS DST_FATHER_PROC_PID,
    dst.FATHER_PROC_NAME AS DST_FATHER_PROC_NAME,
    nullIf(dst.NETWORK_NAMESPACE, 0) AS DST_NETWORK_NAMESPACE,
    dst.K8S_NAMESPACE AS DST_K8S_NAMESPACE,
    dst.K8S_POD AS DST_K8S_POD,
    dst.K8S_CONTAINER AS DST_K8S_CONTAINER,
    dst.K8S_OWNER_KIND AS DST_K8S_OWNER_KIND,
    dst.K8S_OWNER AS DST_K8S_OWNER,
    src_called.host_name AS SRC_HOST_NAME,
    src_called.service AS SRC_K8S_SERVICE,
    dst_called.host_name AS DST_HOST_NAME,
    dst_called.service AS DST_K8S_SERVICE,
    SRC_PROCESSES,
    DST_PROCESSES,
    arrayMax(in_packets) AS IN_PKTS,
    arrayMax(in_bytes) AS IN_BYTES,
    arrayMax(out_packets) AS OUT_PKTS,
    arrayMax(out_bytes) AS OUT_BYTES,
    if(can_compare, toInt64(in_packets[at_src]) - toInt64(in_packets[at_dst]), NULL) AS IN_PKTS_LOST,
    if(can_compare, toInt64(in_bytes[at_src]) - toInt64(in_bytes[at_dst]), NULL) AS IN_BYTES_LOST,
    if(can_compare, toInt64(out_packets[at_dst]) - toInt64(out_packets[at_src]), NULL) AS OUT_PKTS_LOST,
    if(can_compare, toInt64(out_bytes[at_dst]) - toInt64(out_bytes[at_src]), NULL) AS OUT_BYTES_LOST,
    TCP_FLAGS,
    L7_PROTO_NAME,
    nullIf(connected_in, 0) AS CONNECT_MICROSECONDS,
    nullIf(error, 0) AS CONNECT_ERROR,
    observers AS OBSERVERS,
    length(parts.1) AS RECORDS
FROM summed;

CREATE VIEW IF NOT EXISTS whole_flows AS SELECT * FROM whole_flows_of_days(first_day = '1970-01-01', last_day = '2149-06-06');

-- Which agent's host had an address at which time, from the ends that agents found on their own hosts. Every record is a heartbeat: an
-- agent that inserts over the network reports its own connection at each active timeout. One row per address, minute and agent.
CREATE TABLE IF NOT EXISTS address_sightings
(
    `day` Date,
    `address` String,
    `minute` DateTime,
    `observer` String,
    `host` SimpleAggregateFunction(max, String),
    `first` SimpleAggregateFunction(min, DateTime64(3)) COMMENT 'First packet of the first of these records.',
    `last` SimpleAggregateFunction(max, DateTime64(3)) COMMENT 'Last packet of the last of these records.',
    `pods` SimpleAggregateFunction(groupUniqArrayArray, Array(Tuple(namespace String, pod String))) COMMENT 'Empty names: no pod.'
)
ENGINE = AggregatingMergeTree
PARTITION BY day
ORDER BY (address, minute, observer)
TTL day + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS see_addresses TO address_sightings AS
WITH
    ['remote', 'offline', 'reported', 'not-reported', ''] AS elsewhere,
    ifNull(OBSERVER, ifNull(HOST_NAME, '')) AS seen_by,
    ifNull(FLOW_START_MILLISECONDS, toUnixTimestamp(FIRST_SWITCHED) * 1000) AS first_ms,
    ifNull(FLOW_END_MILLISECONDS, toUnixTimestamp(LAST_SWITCHED) * 1000) AS last_ms,
    [
        tuple(coalesce(toString(IPV4_SRC_ADDR), toString(IPV6_SRC_ADDR), ''), ifNull(toString(SRC_PROC_ATTRIBUTION), ''),
            coalesce(toString(SRC_OBSERVER), seen_by), coalesce(toString(SRC_OBSERVER_HOST), toString(HOST_NAME), ''),
            tuple(ifNull(toString(SRC_K8S_NAMESPACE), ''), ifNull(toString(SRC_K8S_POD), ''))),
        tuple(coalesce(toString(IPV4_DST_ADDR), toString(IPV6_DST_ADDR), ''), ifNull(toString(DST_PROC_ATTRIBUTION), ''),
            coalesce(toString(DST_OBSERVER), seen_by), coalesce(toString(DST_OBSERVER_HOST), toString(HOST_NAME), ''),
            tuple(ifNull(toString(DST_K8S_NAMESPACE), ''), ifNull(toString(DST_K8S_POD), '')))
    ] AS ends,
    -- Loopback and link-local addresses are on every host.
    arrayFilter(e -> NOT has(elsewhere, e.2) AND e.1 != '' AND e.3 != ''
        AND NOT match(e.1, '^(127\\.|169\\.254\\.|::1$|::$|0\\.0\\.0\\.0$|fe[89ab])'), ends) AS here
SELECT
    toDate(fromUnixTimestamp64Milli(toInt64(last_ms), 'UTC')) AS day,
    e.1 AS address,
    toDateTime(intDiv(last_ms, 60000) * 60) AS minute,
    e.3 AS observer,
    e.4 AS host,
    fromUnixTimestamp64Milli(toInt64(first_ms)) AS first,
    fromUnixTimestamp64Milli(toInt64(last_ms)) AS last,
    [e.5] AS pods
FROM flows
ARRAY JOIN here AS e;

-- One row per address and time in which one agent, and no other, had it: SELECT … FROM address_owners_of_days(first_day = …, last_day = …).
-- Between two sightings by one agent at most 5 minutes apart, with none by another between them, the address was that host's. Before the
-- first and after the last one nothing is known, nor while two agents have it (as with container addresses that many hosts use).
CREATE VIEW IF NOT EXISTS address_owners_of_days AS
WITH
    sighting AS
    (
        SELECT address, minute, observer, max(host) AS of_host, min(first) AS seen_first, max(last) AS seen_last,
            groupUniqArrayArray(pods) AS of_pods
        FROM address_sightings
        WHERE day BETWEEN {first_day:Date} - 1 AND {last_day:Date} + 1
        GROUP BY address, minute, observer
    ),
    ordered AS
    (
        SELECT *,
            lagInFrame(observer) OVER by_time AS observer_before,
            max(seen_last) OVER (PARTITION BY address, observer ORDER BY seen_first, seen_last
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached_before
        FROM sighting
        WINDOW by_time AS (PARTITION BY address ORDER BY seen_first, seen_last, observer
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    numbered AS
    (
        SELECT *, sum(observer != observer_before OR seen_first > reached_before + INTERVAL 5 MINUTE) OVER (PARTITION BY address
            ORDER BY seen_first, seen_last, observer ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
        FROM ordered
    ),
    run AS
    (
        SELECT address, number, any(observer) AS by, max(of_host) AS host, min(seen_first) AS begun, max(seen_last) AS ended,
            groupUniqArrayArray(of_pods) AS pods
        FROM numbered
        GROUP BY address, number
    ),
    apart AS
    (
        SELECT *,
            max(ended) OVER (PARTITION BY address ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS others_until,
            min(begun) OVER (PARTITION BY address ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS others_from,
            count() OVER (PARTITION BY address ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS others_after
        FROM run
    )
SELECT
    address,
    by AS observer,
    host,
    greatest(begun, others_until) AS since,
    if(others_after > 0, least(ended, others_from), ended) AS until,
    -- A host's own address may be that of several pods.
    if(length(pods) = 1, pods[1].namespace, '') AS K8S_NAMESPACE,
    if(length(pods) = 1, pods[1].pod, '') AS K8S_POD
FROM apart
WHERE since <= until;

-- whole_flows_of_days with the hosts of ends that no agent reported: SRC_OWNER_BASIS is 'agent' (of this flow), 'address' (the host had the
-- address all the time of the flow, as its agent reported of other flows), or empty (not known).
CREATE VIEW IF NOT EXISTS owned_flows_of_days AS
WITH
    whole AS (SELECT * FROM whole_flows_of_days(first_day = {first_day:Date}, last_day = {last_day:Date})),
    owner AS (SELECT * FROM address_owners_of_days(first_day = {first_day:Date}, last_day = {last_day:Date})),
    with_source AS
    (
        SELECT whole.*,
            whole.SRC_OBSERVER = '' AND owner.observer != '' AND whole.flow_end <= owner.until AS is_owned,
            multiIf(whole.SRC_OBSERVER != '', 'agent', is_owned, 'address', '') AS SRC_OWNER_BASIS,
            multiIf(whole.SRC_OBSERVER != '', whole.SRC_OBSERVER, is_owned, owner.observer, '') AS SRC_OWNER_OBSERVER,
            multiIf(whole.SRC_OBSERVER != '', whole.SRC_OBSERVER_HOST, is_owned, owner.host, '') AS SRC_OWNER_HOST,
            multiIf(whole.SRC_OBSERVER != '', whole.SRC_K8S_NAMESPACE, is_owned, owner.K8S_NAMESPACE, '') AS SRC_OWNER_K8S_NAMESPACE,
            multiIf(whole.SRC_OBSERVER != '', whole.SRC_K8S_POD, is_owned, owner.K8S_POD, '') AS SRC_OWNER_K8S_POD
        FROM whole ASOF LEFT JOIN owner ON whole.SRC_ADDR = owner.address AND whole.flow_start >= owner.since
    )
SELECT with_source.* EXCEPT (is_owned),
    with_source.DST_OBSERVER = '' AND owner.observer != '' AND with_source.flow_end <= owner.until AS is_owned,
    multiIf(with_source.DST_OBSERVER != '', 'agent', is_owned, 'address', '') AS DST_OWNER_BASIS,
    multiIf(with_source.DST_OBSERVER != '', with_source.DST_OBSERVER, is_owned, owner.observer, '') AS DST_OWNER_OBSERVER,
    multiIf(with_source.DST_OBSERVER != '', with_source.DST_OBSERVER_HOST, is_owned, owner.host, '') AS DST_OWNER_HOST,
    multiIf(with_source.DST_OBSERVER != '', with_source.DST_K8S_NAMESPACE, is_owned, owner.K8S_NAMESPACE, '') AS DST_OWNER_K8S_NAMESPACE,
    multiIf(with_source.DST_OBSERVER != '', with_source.DST_K8S_POD, is_owned, owner.K8S_POD, '') AS DST_OWNER_K8S_POD
FROM with_source ASOF LEFT JOIN owner ON with_source.DST_ADDR = owner.address AND with_source.flow_start >= owner.since;
