"""The dashboards that need Prometheus alone. One function each."""

from .dashboard import DRAWN, SUMS, Dashboard, drill_down, instant, named, series, variable
from .promql import KNOWN, STEP, by_end, increase, rate, seen, selected, slowest, top, top_lines, top_of, total, whole

INSTANCE = variable("instance", "Agent", "label_values(pidflow_build_info, instance)")
WINDOW_VARIABLE = {
    "name": "window", "label": "Summed up over", "type": "interval", "query": "1m,2m,5m,10m,30m,1h,6h,1d", "auto": True,
    "auto_count": 300, "auto_min": "2m", "refresh": 2, "hide": 0,
    "current": {"text": "auto", "value": "$__auto_interval_window"},
    "options": [{"text": "auto", "value": "$__auto_interval_window", "selected": True},
                *({"text": t, "value": t, "selected": False} for t in ["1m", "2m", "5m", "10m", "30m", "1h", "6h", "1d"])],
}
# Every node of the graph in the time range, so that the link of each node works.
SEEN = [by_end(end, seen("pidflow_edge_flows_total", end + '!="other"')) for end in ("source", "target")]
SEEN.append(seen("pidflow_process_info"))
NODES = f"query_result(group by (id) ({' or '.join(SEEN)}))"

# Axes start at 0; those of shares go up to at least one percent.
FROM_ZERO = {"min": 0}
SHARE = {"min": 0, "custom": {"axisSoftMax": 0.01}}


def process_flows():
    d = Dashboard("process-flows", "Process flows", "All flows with the processes at both ends.",
                  variables=[INSTANCE, WINDOW_VARIABLE])
    edge, pair = "pidflow_edge", ["source", "target"]
    d.graph("Process flows",
            f"The {DRAWN} busiest pairs of processes (host/name) and remote addresses, bytes per second of both "
            "directions. Click a node, or an end of an edge, to open the dashboard of the process.",
            f"({top(DRAWN, total('id, source, target', rate(edge + '_bytes_total', KNOWN)))} > 0)")
    d.lines("Busiest pairs", "Bytes per second of both directions; other is everything without a series of its own.",
            [series("A", top_lines(10, ", ".join(pair), edge + "_bytes_total"), "{{source}} → {{target}}")], "Bps")
    d.lines("Time to connect", "From the client's first SYN to the end of the TCP handshake, by pair, 95th percentile.",
            [series("A", top_of(10, slowest(pair, rate(edge + "_connect_seconds_bucket")) + " > 0",
                                slowest(pair, whole(edge + "_connect_seconds_bucket"))),
                    "{{source}} → {{target}}")], "s")
    d.sums("Pairs in the time range", "Traffic between each pair in the selected time range.", edge, pair,
           counts=[SUMS[0], ("packets", "Packets", "short"), *SUMS[1:]], width=24, links=pair)
    return d


def process():
    this = 'id="$process"'
    is_end = ['source="$process"', 'target="$process"']
    d = Dashboard("process", "Process", "The processes of one name on one host: their identity, resource usage and peers.",
                  variables=[INSTANCE, variable("process", "Process", NODES, many=False, regex='/id="([^"]+)"/'),
                             WINDOW_VARIABLE])
    d.table("Identity", "One of the processes and its parents. When it has ended, another one is shown, after a minute at most.",
            [instant("A", selected("pidflow_process_info", this))], width=24, height=5, hidden=["Value", "instance", "id"],
            order=["host", "process", "pid", "user", "executable", "parent", "parent_pid", "parent_user", "ancestors"])
    d.lines("Memory", "Resident memory of the running processes; peak: the maximum of all together, or of one of them.",
            [series("A", f"sum({selected('process_memory_usage_bytes', this)})", "actual"),
             series("B", f"sum({selected('pidflow_process_memory_peak_bytes', this)})", "peak")], "decbytes", 8, defaults=FROM_ZERO)
    d.lines("CPU", "CPU time, user and system; 100 % is one core.",
            [series("A", f"sum({rate('process_cpu_time_seconds_total', this, STEP)})", "CPU")],
            "percentunit", 8, defaults=SHARE)
    d.lines("I/O wait", "Share of time waiting for block I/O; empty while the kernel's delay accounting is off.",
            [series("A", f"sum({rate('pidflow_process_iowait_time_seconds_total', this, STEP)})", "I/O wait")],
            "percentunit", 8, defaults=SHARE)
    d.lines("Page faults", "Per second. Minor: served from memory; major: read from disk.",
            [series("A", total("system_paging_fault_type", rate("process_paging_faults_total", this, STEP)), "{{system_paging_fault_type}}")], "short", 8)
    d.lines("Processes", "Running processes of this name and host that had a flow.",
            [series("A", f"sum({selected('pidflow_process_instances', this)})", "processes")], "short", 8, defaults=FROM_ZERO)
    d.lines("Time to connect", "As client and as server, 95th percentile; a connection within the host counts for both.",
            [series(ref, slowest([], rate("pidflow_edge_connect_seconds_bucket", end)) + " > 0", legend)
             for ref, end, legend in zip("AB", is_end, ["as client", "as server"])], "s", 8)

    def either(of):
        return " or ".join(of(end) for end in is_end)

    edges = either(lambda end: total("id, source, target", rate("pidflow_edge_bytes_total", end)))
    d.graph("Peers", "Peers of the process; bytes per second of both directions.", f"(({edges}) > 0)", height=12)
    d.sums("Peers in the time range", "Traffic between the process and each peer.", "pidflow_edge", ["source", "target"],
           of=lambda what: either(lambda end: total("source, target", increase(f"pidflow_edge_{what}_total", end))),
           links=["source", "target"])
    d.sums("Protocols in the time range", "Traffic of the process as client and as server, by protocol and the server's port.",
           "pidflow_service", ["role", "protocol", "port"], this)
    d.lines("Flows", "Ended flows per second, and failed attempts, as client and as server.",
            [series(ref, f"sum({rate(f'pidflow_edge_{what}_total', end)})", legend)
             for ref, what, end, legend in [("A", "flows", is_end[0], "as client"), ("B", "flows", is_end[1], "as server"),
                                            ("C", "failures", is_end[0], "failed")]], "short", 24)
    return d


def hosts_and_top_talkers():
    d = Dashboard("hosts-and-top-talkers", "Hosts and top talkers", "Hosts, addresses and processes with the most traffic.",
                  variables=[INSTANCE, WINDOW_VARIABLE])
    d.lines("By host", "Bytes per second in flows, by agent. Flows between two hosts with agents are counted by both.",
            [series("A", total("instance", rate("pidflow_edge_bytes_total")), "{{instance}}")], "Bps")

    def of_ends(of):
        """Traffic of processes at either end; traffic of a process with itself counts twice."""
        ends = (by_end(end, total(end, of("pidflow_edge_bytes_total", end + '_process!=""'))) for end in ("source", "target"))
        return total("id", " or ".join(ends))

    d.lines("By process", "The ten processes (host/name) with the most bytes per second, as client and as server together.",
            [series("A", top_of(10, of_ends(rate), of_ends(whole)), "{{id}}")], "Bps")
    d.lines("By address", "The ten busiest addresses, as client and as server; addresses of the host are included.",
            [series("A", top_lines(10, "address, role", "pidflow_address_bytes_total", 'address!="other"'),
                    "{{address}} ({{role}})")], "Bps")
    service, served = ["process", "protocol", "port"], 'role="server"'
    d.lines("By service", "The ten busiest services: the server's process, protocol and port.",
            [series("A", top_lines(10, ", ".join(service), "pidflow_service_bytes_total", served),
                    "{{process}} {{protocol}}/{{port}}")], "Bps")
    d.sums("Addresses in the time range", "Fifty addresses with the most bytes, by role.", "pidflow_address", ["address", "role"], most=50)
    d.sums("Services in the time range", "Fifty services with the most bytes, at their server's end.", "pidflow_service", service, served,
           most=50)
    return d


def users():
    d = Dashboard("users", "Users", "Traffic and resource usage of the processes of each user.", variables=[INSTANCE, WINDOW_VARIABLE])
    known = 'user!~"|other"'
    for title, what, unit in [("Bytes", "bytes", "Bps"), ("Flows", "flows", "short"), ("Failed attempts", "failures", "short")]:
        d.lines(title, f"{title} per second by user and by the role of the user's process.",
                [series("A", total("user, role", rate(f"pidflow_user_{what}_total", known)), "{{user}} ({{role}})")],
                unit, 8)
    d.lines("CPU", "CPU time of the processes that have flows, by user; 100 % is one core.",
            [series("A", total("user", rate("process_cpu_time_seconds_total", known, STEP)), "{{user}}")],
            "percentunit", 8)
    d.lines("Memory", "Resident memory of the processes that have flows, by user.",
            [series("A", total("user", selected("process_memory_usage_bytes")), "{{user}}")], "decbytes", 8)
    d.lines("Processes", "Running processes that had flows, by user.",
            [series("A", total("user", selected("pidflow_process_instances")), "{{user}}")], "short", 8)
    by = "user, id, process"
    columns = [("A", total(by, increase("process_cpu_time_seconds_total", known)), "CPU time", "s"),
               ("B", total(by, selected("process_memory_usage_bytes")), "Memory", "decbytes"),
               ("C", total(by, selected("pidflow_process_memory_peak_bytes")), "Peak memory", "decbytes")]
    d.table("Processes of users", "Resources that each user's processes used in the selected time range, and their current memory.",
            [instant(ref, expression) for ref, expression, _, _ in columns], width=24, order=["user", "process", "id"],
            sort="CPU time", overrides=[*(named(f"Value #{ref}", title, unit) for ref, _, title, unit in columns),
                                        *(named(label, label.capitalize()) for label in ("user", "process")), drill_down("id", "id")])
    return d


def kubernetes_workloads():
    d = Dashboard("kubernetes-workloads", "Kubernetes workloads",
                  "Traffic between workloads, and the processes in them. Pods are found through the kubelet's links to the logs of their "
                  "containers, workloads are derived from the names of pods.", variables=[INSTANCE, WINDOW_VARIABLE])
    workload = "pidflow_workload"
    edges = top(DRAWN, total("id, source, target", rate(workload + "_bytes_total", KNOWN))) + " > 0"
    d.graph("Workloads", "Workloads as NAMESPACE/NAME (a container whose pod is not known: the first twelve digits of its id), "
            "the host itself, and addresses, which belong to pods on other hosts or to other systems; bytes per second of both "
            "directions.", f"({edges})", links=False)
    d.lines("Busiest pairs", "Bytes per second of both directions.",
            [series("A", top_lines(10, "source, target", workload + "_bytes_total"), "{{source}} → {{target}}")], "Bps", height=9)
    by, inside = ["k8s_namespace", "k8s_pod", "container", "process", "user", "id"], 'container!=""'
    d.table("Processes in containers", "Processes by pod and container, with their resource usage.",
            [instant("A", total(", ".join(by), selected("process_memory_usage_bytes", inside))),
             instant("B", total(", ".join(by), rate("process_cpu_time_seconds_total", inside, STEP)))],
            order=by, sort="Memory",
            overrides=[named("k8s_namespace", "Namespace"), named("k8s_pod", "Pod"),
                       *(named(label, label.capitalize()) for label in ("container", "process", "user")),
                       named("Value #A", "Memory", "decbytes"), named("Value #B", "CPU", "percentunit"),
                       drill_down("id", "id")])
    d.sums("Pairs in the time range", "Traffic between each pair in the selected time range.", workload, ["source", "target"], KNOWN,
           width=24)
    node, nodes = "pidflow_cluster", ["source_node", "target_node"]
    between = 'crosses="zone"'
    d.lines("Traffic by what it crosses", "Bytes per second of both directions between Kubernetes nodes, each flow once, from the agent at "
            "its source: zone: the ends are in different zones; node: on different nodes of a zone; none: on one node; unknown: the node of "
            "an end is not known. This panel and those below need --kubernetes-cluster.",
            [series("A", total("crosses", rate(node + "_bytes_total", KNOWN)), "{{crosses}}")], "Bps")
    d.lines("Between zones", "The ten busiest pairs of zones, bytes per second of both directions.",
            [series("A", top_lines(10, "source_zone, target_zone", node + "_bytes_total", between), "{{source_zone}} → {{target_zone}}")],
            "Bps")
    d.sums("Zones in the time range", "Traffic between zones in the selected time range, which providers of clouds often bill.", node,
           ["source_zone", "target_zone"], between)
    d.sums("Nodes in the time range", "Fifty pairs of nodes with the most bytes, where the ends are on different nodes.", node, nodes,
           'crosses=~"zone|node"', most=50)
    return d


def units_and_containers():
    d = Dashboard("units-and-containers", "Units and containers",
                  "Traffic of the systemd units and containers of hosts. Containers of Docker and Podman have names with --docker-socket, "
                  "otherwise the first digits of their ids. Pods are on the dashboard Kubernetes workloads.",
                  variables=[INSTANCE, WINDOW_VARIABLE])
    unit, by = "pidflow_unit", ["unit", "role"]
    of_units, of_containers = 'kind="unit"', 'kind="container"'
    for title, kind, what in [("Units", of_units, "systemd units"), ("Containers", of_containers, "containers outside pods")]:
        d.lines(title, f"The ten busiest {what}: bytes per second of both directions, as client and as server.",
                [series("A", top_lines(10, ", ".join(by), unit + "_bytes_total", kind), "{{unit}} ({{role}})")], "Bps", height=9)
    known = 'unit!="other"'
    d.lines("Flows", "Ended flows per second, by what runs the process: a unit, a container, a pod.",
            [series("A", total("kind, role", rate(unit + "_flows_total", known)), "{{kind}} ({{role}})")], "short", 8, height=8)
    d.lines("Failed attempts", "Failed connection attempts per second, the ten units, containers and workloads with the most.",
            [series("A", top_lines(10, "unit, role", unit + "_failures_total", known), "{{unit}} ({{role}})")], "short", 16, height=8)
    d.sums("Units in the time range", "Fifty units with the most bytes, as client and as server.", unit, by, of_units, most=50)
    d.sums("Containers in the time range", "Fifty containers with the most bytes, as client and as server.", unit, by, of_containers, most=50)
    pair, of_pairs = "pidflow_workload", 'id!="other"'
    d.sums("Pairs in the time range", "Traffic between each container and its peers: containers, the host itself, addresses.", pair,
           ["source", "target"], of_pairs, width=24, most=50)
    return d


def timeline():
    d = Dashboard("timeline", "Timeline", "When each process had traffic.", variables=[INSTANCE, WINDOW_VARIABLE])
    steps = [(None, "transparent"), (1, "#56A64B"), (10_000, "#F2CC0C"), (1_000_000, "#E02F44")]
    by_rate = {"custom": {"fillOpacity": 80, "lineWidth": 0}, "color": {"mode": "thresholds"},
               "thresholds": {"mode": "absolute", "steps": [{"value": v, "color": c} for v, c in steps]}}
    options = {"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {"displayMode": "list"}}
    for title, end, kind in [("Clients", "source", "started connections or sent first"), ("Servers", "target", "received connections or the first packet")]:
        d.panel("state-timeline", title,
                f"The forty processes and addresses that {kind} and moved most in the selected time range: green from 1, yellow "
                "from 10 k, red from 1 M bytes per second; empty: no traffic. Each point is the sum over the window before it.", (24, 14),
                [series("A", f"({top_lines(40, end, 'pidflow_edge_bytes_total', KNOWN)}) > 0", "{{%s}}" % end)],
                "Bps", defaults=by_rate, options=options)
    d.panel("state-timeline", "Failed attempts", "Failed connection attempts per second, the twenty pairs with the most.", (24, 9),
            [series("A", f"({top_lines(20, 'source, target', 'pidflow_edge_failures_total', KNOWN)}) > 0",
                    "{{source}} → {{target}}")], "short",
            defaults={**by_rate, "thresholds": {"mode": "absolute", "steps": [
                {"value": None, "color": "transparent"}, {"value": 0.001, "color": "#E02F44"}]}}, options=options)
    return d


def host():
    d = Dashboard("host", "Host", "Resources of the hosts: processors, memory, pressure, disks, interfaces.",
                  variables=[INSTANCE])
    device, name = "system_device", "network_interface_name"

    def per_second(metric, labels=""):
        return rate(metric, labels, STEP)

    def both_ways(metric, by, way):
        return total(f"instance, {by}, {way}", per_second(metric))

    cpu = per_second("system_cpu_time_seconds_total")
    busy = per_second("system_cpu_time_seconds_total", 'cpu_mode!~"idle|iowait"')
    used, limit = selected("system_memory_usage_bytes", 'system_memory_state="used"'), selected("system_memory_limit_bytes")
    d.stat("CPU", "Share of the time of all processors in which they were busy.", f"sum({busy}) / sum({cpu})", "percentunit", 4)
    d.stat("Memory", "Memory that is neither free nor cached.", f"sum({used}) / sum({limit})", "percentunit", 4)
    d.stat("Load", "Load average of one minute, per processor.",
           f"sum({selected('system_cpu_load_average_1m')}) / sum({selected('pidflow_host_processors')})", "short", 4)
    d.stat("Flows active", "Flows in the agent's table.", f"sum({selected('pidflow_flows_active')})", "short", 4)
    d.stat("Traffic", "Bytes of all packets that the agent captured.", f"sum({per_second('pidflow_captured_bytes_total')})", "Bps", 4)
    d.stat("Uptime", "Time since the host started; with several hosts, the shortest.", f"min({selected('system_uptime_seconds')})", "s", 4)
    d.lines("CPU by mode", "Share of the time of all processors.",
            [series("A", f"{total('cpu_mode', cpu)} / on () group_left () sum({cpu})", "{{cpu_mode}}")], "percentunit", 8, defaults=SHARE)
    d.lines("Memory by state", "Used is neither free nor cached nor in buffers.",
            [series("A", total("system_memory_state", selected("system_memory_usage_bytes")), "{{system_memory_state}}")],
            "decbytes", 8, defaults=FROM_ZERO)
    d.lines("Pressure", "Share of time in which some tasks waited for a resource (PSI); empty where the kernel does not measure it.",
            [series("A", total("resource", per_second("pidflow_host_pressure_time_seconds_total", 'tasks="some"')), "{{resource}}")],
            "percentunit", 8, defaults=SHARE)
    d.lines("Interfaces", "Bytes per second from the counters of the drivers.",
            [series("A", both_ways("system_network_io_bytes_total", name, "network_io_direction"),
                    "{{instance}} {{network_interface_name}} {{network_io_direction}}")], "Bps", 12, defaults=FROM_ZERO)
    d.lines("Interfaces: errors and drops", "Packets per second that an interface dropped or that had errors.",
            [series("A", both_ways("system_network_packet_dropped_total", name, "network_io_direction"),
                    "{{network_interface_name}} {{network_io_direction}} dropped"),
             series("B", both_ways("system_network_errors_total", name, "network_io_direction"),
                    "{{network_interface_name}} {{network_io_direction}} errors")], "pps", 12, defaults=FROM_ZERO)
    packets, ends = "pidflow_ledger_packets_total", "pidflow_ledger_end_packets_total"
    missing = 'attribution=~"ambiguous|no-socket|no-process"'
    d.lines("Ledger: packets", "Packets per second that were captured, that the kernel dropped because the capture's buffer was full, that "
            "are in no flow, and that are in records without the process of an end on this host. pidflow audit prints the whole ledger.",
            [series("A", total("account", per_second(packets, 'account=~"captured|dropped|discarded"')), "{{account}}"),
             series("B", total("end", per_second(ends, missing)), "unattributed, {{end}}")], "pps", 16, defaults=FROM_ZERO)
    d.lines("Ledger: unaccounted for", "Difference of each balance of the ledger. All are 0 when every packet is "
            "accounted for; pidflow audit reports where packets are missing.",
            [series("A", total("check", selected("pidflow_ledger_gap_packets")), "{{check}}")], "short", 8, defaults=FROM_ZERO)
    d.lines("TCP health", "TCP packets per second that were sent again, came out of order, repeat an acknowledgement, say that the "
            "receiver has no room, or were marked by a congested router, and resets per second; needs --tcp-health on.",
            [series("A", total("kind", per_second("pidflow_tcp_troubled_packets_total")), "{{kind}}"),
             series("B", f"sum({per_second('pidflow_tcp_reset_connections_total')})", "reset")], "pps", 14, defaults=FROM_ZERO)
    d.lines("TCP: bytes never seen", "Bytes per second that were lost, and those that the capture missed, because the receiver "
            "acknowledged them; needs --tcp-health on.",
            [series("A", total("kind", per_second("pidflow_tcp_unseen_bytes_total")), "{{kind}}")], "Bps", 10, defaults=FROM_ZERO)
    d.lines("Disks", "Bytes per second, by disk.",
            [series("A", both_ways("system_disk_io_bytes_total", device, "disk_io_direction"),
                    "{{instance}} {{system_device}} {{disk_io_direction}}")], "Bps", 8, defaults=FROM_ZERO)
    d.lines("Disks: busy", "Share of time in which the disk had I/O in progress.",
            [series("A", total(f"instance, {device}", per_second("system_disk_io_time_seconds_total")),
                    "{{instance}} {{system_device}}")], "percentunit", 8, defaults=SHARE)
    d.lines("Page faults", "Per second, of all processes; a major fault needs I/O.",
            [series("A", total("system_paging_fault_type", per_second("system_paging_faults_total")),
                    "{{system_paging_fault_type}}")], "short", 8, defaults=FROM_ZERO)
    space = selected("system_filesystem_usage_bytes")
    d.table("File systems", "Space by state.", [instant("A", total(
        "instance, system_filesystem_mountpoint, system_device, system_filesystem_type, system_filesystem_state", space))],
            width=14, order=["instance", "system_filesystem_mountpoint", "system_device"],
            overrides=[named("Value", "Bytes", "decbytes")])
    d.table("Machines", "Kernel and processor.", [instant("A", selected("pidflow_host_info"))], width=10, hidden=["Value"])
    return d


def agent_health():
    d = Dashboard("agent-health", "Agent health", "Losses of the agents, quality of attribution, and queues.",
                  variables=[INSTANCE])

    def per_second(metric, labels=""):
        return rate(metric, labels, STEP)

    def by_reason(metric, *by):
        """With a line at zero where nothing has been lost yet."""
        nothing = 'label_replace(vector(0), "reason", "none", "", "")'
        return f"{total(', '.join([*by, 'reason']), per_second(metric))} or {nothing}"

    found, ends = (f"sum({per_second('pidflow_local_ends_total', labels)})" for labels in ['outcome="found"', ""])
    lost = ["pidflow_packets_dropped_by_kernel_total", "pidflow_probe_events_lost_total", "pidflow_export_lost_records_total"]
    d.stat("Ready", "Agents that are ready, as /readyz reports.", f"sum({selected('pidflow_ready')})", width=4)
    d.stat("Local ends with a process", "Share of the local ends that can have a process for which the process was found.",
           f"{found} / {ends}", "percentunit", 5)
    d.stat("Packets", "Packets per second that became part of a flow.", f"sum({per_second('pidflow_packets_total')})", "pps", 5)
    d.stat("Flows active", "Flows in the tables.", f"sum({selected('pidflow_flows_active')})", "short", 5)
    d.stat("Lost", "Packets, kernel events and records lost per second, all reasons.",
           " + ".join(f"(sum({per_second(metric)}) or vector(0))" for metric in lost), "short", 5)
    d.lines("Lost packets", "Packets per second that the kernel dropped before the agent saw them.",
            [series("A", total("instance, interface", per_second(lost[0])), "{{instance}} {{interface}}")], "pps", 8)
    d.lines("Lost kernel events", "Per second, by reason.",
            [series("A", total("reason", per_second(lost[1])), "{{reason}}")], "short", 8)
    d.lines("Lost records", "Records per second lost in export, by exporter and reason.",
            [series("A", by_reason(lost[2], "exporter"), "{{exporter}} {{reason}}")], "short", 8)
    d.lines("Packets in no flow", "Per second, by reason.",
            [series("A", by_reason("pidflow_packets_discarded_total"), "{{reason}}")], "pps", 8)
    d.lines("Ends by attribution", "Ends of records per second, by how they were attributed or why they were not.",
            [series("A", total("end, attribution", per_second("pidflow_record_ends_total")), "{{end}}: {{attribution}}")],
            "short", 8)
    d.lines("Records by reason", "Records per second, by the reason for the flow's end.",
            [series("A", total("reason", per_second("pidflow_records_total")), "{{reason}}")], "short", 8)
    d.lines("Exporters", "Exported records per second, by exporter.",
            [series("A", total("exporter", per_second("pidflow_exported_records_total")), "{{exporter}}")], "short", 8)
    d.lines("Waiting records", "Records that wait for export, in memory and in spools on disk, by exporter.",
            [series("A", total("exporter", selected("pidflow_export_queue_depth")), "{{exporter}}"),
             series("B", total("exporter", selected("pidflow_export_spooled_records")), "{{exporter}}, on disk")], "short", 8)
    d.lines("Queues", "Waiting items within the agent, by queue.",
            [series("A", total("queue", selected("pidflow_queue_depth")), "{{queue}}")], "short", 8)
    d.lines("Kernel events", "Operations of the probes, per second.",
            [series("A", total("outcome", per_second("pidflow_probe_events_total")), "{{outcome}}")], "short", 8)
    d.lines("Join", "Operations of the join between flows and processes, per second.",
            [series("A", total("outcome", per_second("pidflow_join_total")), "{{outcome}}")], "short", 8)
    d.lines("Tables", "Entries held, by table.",
            [series("A", total("table", selected("pidflow_table_entries")), "{{table}}")], "short", 8)
    d.table("Hooks", "How each kernel hook is attached.", [instant("A", selected("pidflow_hook_info"))],
            width=14, hidden=["Value"], order=["instance", "hook", "way"])
    d.table("Agents", "Versions.", [instant("A", selected("pidflow_build_info"))], width=10, hidden=["Value"])
    return d


ALL = [process_flows, process, hosts_and_top_talkers, users, kubernetes_workloads, units_and_containers, timeline, host,
       agent_health]
