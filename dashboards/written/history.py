"""The dashboards for the history in ClickHouse: the tables of exporters/mappings/clickhouse.sql and clickhouse-glued.sql. One
function each."""

from .dashboard import DRAWN, Dashboard, named, variable

CLICKHOUSE = "grafana-clickhouse-datasource"
HOST = "ifNull(HOST_NAME, 'no host')"


def node(end):
    """As in the live dashboards: host/name of a process, or the address."""
    process = f"concat({HOST}, '/', {end}_PROC_NAME)"
    return f"if({end}_PROC_NAME != '', {process}, coalesce(toString(IPV4_{end}_ADDR), toString(IPV6_{end}_ADDR), ''))"


SOURCE, TARGET = node("SRC"), node("DST")
BYTES_SUM = "sum(ifNull(IN_BYTES, 0) + ifNull(OUT_BYTES, 0))"
ENDED = "countIf(FLOW_END_REASON != 2) AS secondarystat"
IN_TIME = f"$__timeFilter(LAST_SWITCHED) AND {HOST} IN (${{host:sqlstring}})"
AT = "$__timeInterval(LAST_SWITCHED) AS time"
# Quoted here: a name may have an apostrophe.
THIS = "${process:sqlstring}"
OF_THIS = f"({SOURCE} = {THIS} OR {TARGET} = {THIS})"
HOSTS = variable("host", "Host", f"SELECT DISTINCT {HOST} FROM flows WHERE $__timeFilter(LAST_SWITCHED)", source=CLICKHOUSE)


def sql(ref, text, over_time=False):
    """A query of the ClickHouse data source; format 0 is a time series, 1 a table."""
    kind = "timeseries" if over_time else "table"
    return {"refId": ref, "rawSql": " ".join(text.split()), "editorType": "sql", "queryType": kind,
            "format": 0 if over_time else 1, "pluginVersion": "4.0.0"}


def edges_of(table, ends, where, figures):
    """The pairs with the most bytes. The columns are fields with their own names here, so that nothing has to be renamed."""
    return f"""SELECT concat(source, '->', target) AS id, {ends[0]} AS source, {ends[1]} AS target, {BYTES_SUM} AS mainstat, {figures},
        countIf(CONNECT_ERROR > 0) AS detail__failed, round(quantile(0.95)(CONNECT_MICROSECONDS) / 1000, 3) AS detail__connect_ms
        FROM {table} WHERE {where} GROUP BY source, target ORDER BY mainstat DESC LIMIT {DRAWN}"""


def sql_graph(d, title, description, edges, height=16):
    nodes = f"""WITH edges AS ({edges})
        SELECT id, extract(id, '[^/]*$') AS title, if(id LIKE '%/%', extract(id, '^[^/]*'), '') AS subtitle,
        sum(bytes) AS mainstat FROM (SELECT source AS id, mainstat AS bytes FROM edges UNION ALL
        SELECT target AS id, mainstat AS bytes FROM edges WHERE target != source) GROUP BY id"""
    url = ("/d/pidflow-history-process/history-process?${datasource:queryparam}&${host:queryparam}"
           "&var-process=${__data.fields.id:percentencode}&${__url_time_range}")
    link = {"title": "History of ${__data.fields.id}", "url": url, "targetBlank": False}
    override = {"matcher": {"id": "byName", "options": "title"}, "properties": [{"id": "links", "value": [link]}]}
    d.panel("nodeGraph", title, description, (24, height), [sql("nodes", nodes), sql("edges", edges)], "decbytes",
            overrides=[override], options={"nodes": {"mainStatUnit": "decbytes"}, "edges": {"mainStatUnit": "decbytes"},
                                           "zoomMode": "cooperative", "layoutAlgorithm": "layered"})


def history_process_flows():
    d = Dashboard("history-process-flows", "History: process flows", "Flow records in ClickHouse, with the processes at both ends.",
                  source=CLICKHOUSE, variables=[HOSTS])
    edges = edges_of("flows", (SOURCE, TARGET), IN_TIME, ENDED)
    sql_graph(d, "Process flows", f"The {DRAWN} pairs of processes and addresses with the most bytes.", edges)
    d.lines("Bytes by client", "The ten clients with the most bytes.",
            [sql("A", f"""WITH top AS (SELECT {SOURCE} AS client FROM flows WHERE {IN_TIME} GROUP BY client
                ORDER BY {BYTES_SUM} DESC LIMIT 10)
                SELECT {AT}, {SOURCE} AS client, {BYTES_SUM} AS bytes FROM flows
                WHERE {IN_TIME} AND client IN top GROUP BY time, client ORDER BY time""", True)], "decbytes")
    d.lines("Failed attempts", "Failed connection attempts, by client.",
            [sql("A", f"""SELECT {AT}, {SOURCE} AS client, count() AS failed FROM flows
                WHERE {IN_TIME} AND CONNECT_ERROR > 0 GROUP BY time, client ORDER BY time""", True)], "short")
    for end, side in [("SRC", "client"), ("DST", "server")]:
        d.table(f"Users as {side}s", f"Traffic of the processes of each user as {side}s.",
                [sql("A", f"""SELECT {end}_PROC_USER_NAME AS user, {BYTES_SUM} AS bytes, count() AS records,
                    uniq({end}_PROC_NAME) AS programs FROM flows WHERE {IN_TIME} AND {end}_PROC_USER_NAME != ''
                    GROUP BY user ORDER BY bytes DESC LIMIT 100""")], overrides=[named("bytes", "bytes", "decbytes")])
    d.table("Flows", "The thousand latest records.",
            [sql("A", f"""SELECT flow_start, flow_end, {SOURCE} AS source, SRC_PROC_PID, SRC_PROC_USER_NAME, {TARGET} AS target,
                DST_PROC_PID, DST_PROC_USER_NAME, PROTOCOL, L4_DST_PORT, IN_BYTES, OUT_BYTES, CONNECT_MICROSECONDS,
                CONNECT_ERROR FROM flows WHERE {IN_TIME} ORDER BY LAST_SWITCHED DESC LIMIT 1000""")], width=24)
    return d


def history_process():
    # Only the busiest ones, so that a list of all remote addresses does not block the browser.
    nodes = f"""SELECT id FROM (SELECT {SOURCE} AS id FROM flows WHERE {IN_TIME} UNION ALL SELECT {TARGET} AS id FROM flows
        WHERE {IN_TIME}) GROUP BY id ORDER BY count() DESC LIMIT 5000"""
    d = Dashboard("history-process", "History: process", "Flow records in ClickHouse: one process name of one host, or an address.",
                  source=CLICKHOUSE,
                  variables=[HOSTS, variable("process", "Process", " ".join(nodes.split()), many=False, source=CLICKHOUSE)])

    def ends(columns, where="1"):
        """The same columns of both ends, `END_` standing for SRC_ or DST_."""
        one = f"SELECT LAST_SWITCHED, {columns} FROM flows WHERE {IN_TIME} AND END_PROC_NAME != '' AND {node('END')} = {THIS} AND {where}"
        return f"({one.replace('END_', 'SRC_')} UNION ALL {one.replace('END_', 'DST_')})"

    identity = ends("END_PROC_PID AS pid, END_PROC_START_TIME AS started, END_PROC_USER_NAME AS user, "
                    "END_FATHER_PROC_NAME AS parent, END_PROC_ANCESTORS AS ancestors, END_PROC_EXECUTABLE AS executable, "
                    "END_PROC_PEAK_MEMORY_64 AS peak")
    d.table("Processes", "Every process of this name that had flows, with its parents.",
            [sql("A", f"""SELECT pid, fromUnixTimestamp64Milli(toInt64(started)) AS start, any(user) AS user, any(parent) AS parent,
                any(ancestors) AS ancestors, any(executable) AS executable, max(peak) AS peak_memory, count() AS records
                FROM {identity} GROUP BY pid, started ORDER BY start DESC LIMIT 100""")], width=24,
            overrides=[named("peak_memory", "peak memory", "decbytes")])
    usage = [("Memory", "decbytes", "max(actual) AS actual, max(peak) AS peak",
              "END_PROC_ACTUAL_MEMORY_64 AS actual, END_PROC_PEAK_MEMORY_64 AS peak", "Highest resident memory, and its peak."),
             ("CPU", "percent", "max(load) / 100 AS CPU", "END_PROC_AVERAGE_CPU_LOAD AS load",
              "Highest load over the time of a flow; 100 % is one core."),
             ("Page faults and I/O wait", "short", "sum(faults) AS faults, max(iowait) / 100 AS iowait_percent",
              "END_PROC_NUM_PAGE_FAULTS AS faults, END_PROC_PCTG_IOWAIT AS iowait",
              "Faults during flows; a fault during two flows at once is counted by both.")]
    for title, unit, shown, columns, text in usage:
        d.lines(title, text, [sql("A", f"SELECT {AT}, {shown} FROM {ends(columns)} GROUP BY time ORDER BY time", True)], unit, 8)
    sql_graph(d, "Peers", "Peers of the process.", edges_of("flows", (SOURCE, TARGET), f"{IN_TIME} AND {OF_THIS}", ENDED), 12)
    d.table("Protocols", "By role, IP protocol and the server's port.",
            [sql("A", f"""SELECT if({SOURCE} = {THIS}, 'client', 'server') AS role, PROTOCOL AS protocol,
                L4_DST_PORT AS port, {BYTES_SUM} AS bytes, count() AS records, countIf(CONNECT_ERROR > 0) AS failed
                FROM flows WHERE {IN_TIME} AND {OF_THIS} GROUP BY role, protocol, port
                ORDER BY bytes DESC LIMIT 100""")], width=24, overrides=[named("bytes", "bytes", "decbytes")])
    return d


def history_several_hosts():
    def end(side):
        name = f"concat(if({side}_OBSERVER_HOST != '', {side}_OBSERVER_HOST, 'no host'), '/', {side}_PROC_NAME)"
        return f"if({side}_PROC_NAME != '', {name}, {side}_ADDR)"

    def host(side):
        return f"if({side}_OBSERVER != '', {side}_OBSERVER_HOST, 'no agent')"

    ends, hosts = (end("SRC"), end("DST")), f"{host('SRC')} AS source, {host('DST')} AS target"
    flows = "whole_flows_of_days(first_day = toDate($__fromTime), last_day = toDate($__toTime))"
    chosen = "${host:sqlstring}"
    where = f"$__timeFilter(flow_end) AND (SRC_OBSERVER_HOST IN ({chosen}) OR DST_OBSERVER_HOST IN ({chosen}))"
    at = "$__timeInterval(flow_end) AS time"
    lost = "sum(ifNull(IN_PKTS_LOST, 0) + ifNull(OUT_PKTS_LOST, 0))"
    sent = "sumIf(IN_PKTS + OUT_PKTS, IN_PKTS_LOST IS NOT NULL)"
    d = Dashboard("history-several-hosts", "History: several hosts",
                  "Flows in ClickHouse, put together from the records of the agents at both ends.",
                  source=CLICKHOUSE, variables=[HOSTS])
    sql_graph(d, "Processes of all hosts", f"The {DRAWN} pairs of processes and addresses with the most bytes, each end as the agent there knows it.",
              edges_of(flows, ends, where, f"count() AS secondarystat, {lost} AS detail__lost"))
    d.table("Hosts", "Traffic between hosts. Lost packets: sent at one host, and not arrived at the other one.",
            [sql("A", f"""SELECT {hosts}, {BYTES_SUM} AS bytes, count() AS flows, countIf(IS_GLUED) AS seen_at_both_ends,
                {lost} AS packets_lost, if({sent} > 0, round(100 * packets_lost / {sent}, 3), NULL) AS percent_lost
                FROM {flows} WHERE {where} GROUP BY source, target ORDER BY bytes DESC LIMIT 100""")], width=24,
            overrides=[named("bytes", "bytes", "decbytes")])
    d.lines("Bytes between hosts", "By the hosts at both ends.",
            [sql("A", f"""WITH top AS (SELECT {host('SRC')} AS source, {host('DST')} AS target FROM {flows} WHERE {where}
                GROUP BY source, target ORDER BY {BYTES_SUM} DESC LIMIT 10)
                SELECT {at}, concat({host('SRC')}, ' to ', {host('DST')}) AS hosts, {BYTES_SUM} AS bytes FROM {flows}
                WHERE {where} AND ({host('SRC')}, {host('DST')}) IN top GROUP BY time, hosts ORDER BY time""", True)], "decbytes")
    d.lines("Lost packets", "Sent at one host, and not arrived at the other one, by the time at which the flows ended.",
            [sql("A", f"""SELECT {at}, concat({host('SRC')}, ' to ', {host('DST')}) AS hosts, {lost} AS lost FROM {flows}
                WHERE {where} GROUP BY time, hosts ORDER BY time""", True)], "short")
    d.table("Flows", "The thousand latest flows.",
            [sql("A", f"""SELECT flow_start, flow_end, {ends[0]} AS source, SRC_PROC_PID, SRC_PROC_USER_NAME, {ends[1]} AS target,
                DST_PROC_PID, DST_PROC_USER_NAME, PROTOCOL, DST_PORT, IN_BYTES, OUT_BYTES, IN_PKTS_LOST, OUT_PKTS_LOST,
                CONNECT_MICROSECONDS, CONNECT_ERROR, IS_GLUED FROM {flows} WHERE {where} ORDER BY flow_end DESC LIMIT 1000""")], width=24)
    return d


ALL = [history_process_flows, history_process, history_several_hosts]
