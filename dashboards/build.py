#!/usr/bin/env python3
"""Writes the dashboards beside it: `python3 dashboards/build.py`, or into another folder:
`build.py FOLDER`. A test fails when one is stale.

One function per dashboard; what panels have in common is above them. Names are those of `/metrics`
(agent/src/metrics/) and, under clickhouse/, those of ELEMENTS.md.
"""

import json
import pathlib
import sys

SELECT = 'instance=~"$instance"'
# The busiest pairs are drawn; with more the picture is no longer readable (ARCHITECTURE.md, "How many are drawn").
DRAWN = 60


def rate(metric, labels="", window="$__rate_interval"):
    return f'rate({metric}{{{", ".join(filter(None, [SELECT, labels]))}}}[{window}])'


def increase(metric, labels=""):
    return rate(metric, labels, "$__range").replace("rate(", "increase(", 1)


def total(by, expression):
    return f"sum by ({by}) ({expression})"


def top(most, expression):
    return f"topk({most}, {expression})"


def by_end(end, expression):
    """The label of an end as the label id."""
    return f'label_replace({expression}, "id", "$1", "{end}", "(.*)")'


class Dashboard:
    """Panels from left to right and top to bottom on Grafana's grid of 24 columns."""

    def __init__(self, uid, title, description, source="prometheus", variables=()):
        self.uid, self.title, self.description = "pidflow-" + uid, title, description
        self.source, self.variables = source, list(variables)
        self.panels, self.x, self.y, self.row = [], 0, 0, 0

    def datasource(self):
        return {"type": self.source, "uid": "${datasource}"}

    def panel(self, kind, title, description, size, targets, unit="", **more):
        width, height = size
        if self.x + width > 24:
            self.x, self.y, self.row = 0, self.y + self.row, 0
        panel = {
            "id": len(self.panels) + 1,
            "type": kind,
            "title": title,
            "description": description,
            "datasource": self.datasource(),
            "gridPos": {"x": self.x, "y": self.y, "w": width, "h": height},
            "targets": [{"datasource": self.datasource(), **t} for t in targets],
            "fieldConfig": {"defaults": {"unit": unit} if unit else {}, "overrides": more.pop("overrides", [])},
            "options": more.pop("options", {}),
        }
        panel["fieldConfig"]["defaults"].update(more.pop("defaults", {}))
        panel.update(more)
        self.panels.append(panel)
        self.x, self.row = self.x + width, max(self.row, height)
        return panel

    def lines(self, title, description, targets, unit="", width=12, height=8, **more):
        return self.panel("timeseries", title, description, (width, height), targets, unit, **more)

    def table(self, title, description, targets, width=12, height=9, hidden=(), **more):
        """Several instant queries side by side, joined by their labels."""
        hide = {name: True for name in ["Time", "__name__", "job", *hidden]}
        transformations = [{"id": "merge", "options": {}}] if len(targets) > 1 else []
        transformations.append({"id": "organize", "options": {"excludeByName": hide}})
        options = {"showHeader": True, "cellHeight": "sm"}
        return self.panel("table", title, description, (width, height), targets,
                          transformations=transformations, options=options, **more)

    def stat(self, title, description, expression, unit="", width=6, **more):
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "area"}
        return self.panel("stat", title, description, (width, 5), [series("A", expression)], unit,
                          options=options, **more)

    def graph(self, title, description, edges, height=16, links=True):
        """A node graph of an expression with the labels id, source and target.

        The panel looks at the names of fields, not at their display names, so "Organize fields" cannot rename the
        value to mainstat; a calculation makes a field that is called so. The nodes come from the same expression,
        because the panel wants every end of an edge among them.
        """
        ends = " or ".join(by_end(end, total(end, edges)) for end in ("source", "target"))
        nodes = f"sum by (id) ({ends})"
        nodes = f'label_replace({nodes}, "title", "$1", "id", "(?:[^/]*/)?(.*)")'
        nodes = f'label_replace({nodes}, "subtitle", "$1", "id", "([^/]*)/.*")'
        return self.panel(
            "nodeGraph", title, description, (24, height), [instant("nodes", nodes), instant("edges", edges)], "Bps",
            overrides=[drill_down(field, name) for field, name in
                       [("title", "id"), ("source", "source"), ("target", "target")]] if links else [],
            options={"nodes": {"mainStatUnit": "Bps"}, "edges": {"mainStatUnit": "Bps"},
                     "zoomMode": "cooperative", "layoutAlgorithm": "layered"},
            transformations=[mainstat("nodes"), mainstat("edges")])

    def write(self, folder):
        name = self.uid.removeprefix("pidflow-")
        dashboard = {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["pidflow"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s" if self.source == "prometheus" else "",
            "time": {"from": "now-15m" if self.source == "prometheus" else "now-24h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [{"type": "dashboards", "title": "pidflow", "tags": ["pidflow"], "asDropdown": True,
                       "includeVars": False, "keepTime": True, "targetBlank": False, "icon": "external link"}],
            "templating": {"list": [source_variable(self.source), *self.variables]},
            "panels": self.panels,
        }
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n")


def series(ref, expression, legend=""):
    return {"refId": ref, "expr": expression, "editorMode": "code", "instant": False, "range": True,
            "format": "time_series", **({"legendFormat": legend} if legend else {})}


def instant(ref, expression):
    return {"refId": ref, "expr": expression, "editorMode": "code", "instant": True, "range": False, "format": "table"}


def mainstat(ref):
    """The value of a query once more, as a field that is really called so. Each frame by itself: together, the
    transformation would join them by time."""
    reduce = {"reducer": "sum", "include": [f"Value #{ref}"]}
    return {"id": "calculateField", "filter": {"id": "byRefId", "options": ref},
            "options": {"mode": "reduceRow", "alias": "mainstat", "reduce": reduce}}


def drill_down(field, name):
    """A click on this field opens the process that the field `name` of the same row holds."""
    url = f"/d/pidflow-process/process?${{datasource:queryparam}}&var-process=${{__data.fields.{name}}}&${{__url_time_range}}"
    link = {"title": "Process ${__data.fields.%s}" % name, "url": url, "targetBlank": False}
    return {"matcher": {"id": "byName", "options": field}, "properties": [{"id": "links", "value": [link]}]}


def named(field, title, unit=""):
    properties = [{"id": "displayName", "value": title}]
    if unit:
        properties.append({"id": "unit", "value": unit})
    return {"matcher": {"id": "byName", "options": field}, "properties": properties}


def source_variable(kind):
    label = {"prometheus": "Prometheus", "grafana-clickhouse-datasource": "ClickHouse"}[kind]
    return {"name": "datasource", "label": label, "type": "datasource", "query": kind, "current": {}, "hide": 0,
            "refresh": 1, "regex": "", "options": []}


def variable(name, label, query, many=True, source="prometheus"):
    everything = {"text": ["All"], "value": ["$__all"]} if many else {}
    return {
        "name": name, "label": label, "type": "query", "datasource": {"type": source, "uid": "${datasource}"},
        "definition": query, "query": {"query": query, "refId": name} if source == "prometheus" else query,
        "refresh": 2, "includeAll": many, "multi": many, **({"allValue": ".*"} if many else {}),
        "current": everything, "sort": 1, "hide": 0, "regex": "", "options": [],
    }


INSTANCE = variable("instance", "Agent", "label_values(pidflow_build_info, instance)")


def process_flows():
    d = Dashboard("process-flows", "Process flows", "Who talks to whom: every flow with the processes at both ends.",
                  variables=[INSTANCE])
    edge_rate = total("id, source, target", rate("pidflow_edge_bytes_total", 'id!="other"'))
    d.graph("Process flows",
            f"The {DRAWN} busiest pairs of processes (host/name) and remote addresses, octets per second of both "
            "directions. Click a node, or an end of an edge, for the process.",
            f"topk({DRAWN}, {edge_rate}) > 0")
    d.lines("Busiest pairs", "Octets per second of both directions; other is everything without a series of its own.",
            [series("A", top(10, total("source, target", rate("pidflow_edge_bytes_total"))),
                    "{{source}} → {{target}}")], "Bps")
    d.lines("Time to connect", "From the client's first SYN to the end of the TCP handshake, by pair, 95th percentile.",
            [series("A", top(10, "histogram_quantile(0.95, "
                         + total("le, source, target", rate("pidflow_edge_connect_seconds_bucket")) + ") > 0"),
                    "{{source}} → {{target}}")], "s")
    columns = [("A", "bytes", "Octets", "bytes"), ("B", "packets", "Packets", "short"),
               ("C", "flows", "Flows", "short"), ("D", "failures", "Failed", "short")]
    d.table("Pairs in this time", "What passed between each pair in the time chosen above.",
            [instant(ref, total("source, target", increase(f"pidflow_edge_{what}_total")))
             for ref, what, _, _ in columns],
            width=24, overrides=[*(named(f"Value #{ref}", title, unit) for ref, _, title, unit in columns),
                                 drill_down("source", "source"), drill_down("target", "target")])
    return d


def process():
    label = 'id="$process"'
    is_end = ['source="$process"', 'target="$process"']
    d = Dashboard("process", "Process", "One process name of one host: who it is, what it uses, whom it talks to.",
                  variables=[variable("process", "Process", "label_values(pidflow_process_cpu_time_seconds_total, id)",
                                      many=False)])
    d.table("Identity", "One of its processes (another one when it has ended, at most once a minute), with its parents.",
            [instant("A", 'pidflow_process_info{%s}' % label)], width=24, height=5,
            hidden=["Value", "instance", "id"])
    d.lines("Memory", "Resident memory of the processes that live; peak: the most that they, or one of them, had.",
            [series("A", "sum(pidflow_process_memory_usage_bytes{%s})" % label, "actual"),
             series("B", "sum(pidflow_process_memory_peak_bytes{%s})" % label, "peak")], "bytes", 8)
    d.lines("CPU", "CPU time, user and system; 100 % is one core.",
            [series("A", "sum(rate(pidflow_process_cpu_time_seconds_total{%s}[$__rate_interval]))" % label, "CPU")],
            "percentunit", 8)
    d.lines("I/O wait", "Share of time waiting for block I/O; empty while the kernel's delay accounting is off.",
            [series("A", "sum(rate(pidflow_process_iowait_time_seconds_total{%s}[$__rate_interval]))" % label,
                    "I/O wait")], "percentunit", 8)
    d.lines("Page faults", "Per second. Minor: served from memory; major: read from disk.",
            [series("A", "sum by (type) (rate(pidflow_process_paging_faults_total{%s}[$__rate_interval]))" % label,
                    "{{type}}")], "short", 8)
    d.lines("Processes", "Processes of this name and host that live and had a flow.",
            [series("A", "sum(pidflow_process_count{%s})" % label, "processes")], "short", 8)
    d.lines("Time to connect", "As client and as server, 95th percentile; a connection within the host counts for both.",
            [series(ref, "histogram_quantile(0.95, sum by (le) "
                         "(rate(pidflow_edge_connect_seconds_bucket{%s}[$__rate_interval])))" % end, legend)
             for ref, end, legend in zip("AB", is_end, ["as client", "as server"])], "s", 8)
    rates = [f"sum by (id, source, target) (rate(pidflow_edge_bytes_total{{{end}}}[$__rate_interval]))"
             for end in is_end]
    d.graph("Peers", "Whom it talks to, octets per second of both directions.", f"({' or '.join(rates)}) > 0", height=12)
    both = [("A", "bytes", "Octets", "bytes"), ("B", "flows", "Flows", "short"), ("C", "failures", "Failed", "short")]
    increases = [(ref, " or ".join(f"sum by (source, target) (increase(pidflow_edge_{what}_total{{{end}}}[$__range]))"
                                   for end in is_end)) for ref, what, _, _ in both]
    headers = [named(f"Value #{ref}", title, unit) for ref, _, title, unit in both]
    d.table("Peers in this time", "What passed between it and each peer.",
            [instant(ref, expression) for ref, expression in increases], overrides=headers)
    d.table("Protocols in this time", "What it used as a client and served, by protocol and the server's port.",
            [instant(ref, f"sum by (role, protocol, port) (increase(pidflow_service_{what}_total{{{label}}}[$__range]))")
             for ref, what, _, _ in both], overrides=headers)
    d.lines("Flows", "Flows that ended per second, and failed attempts, as client and as server.",
            [series(ref, f"sum(rate(pidflow_edge_{what}_total{{{end}}}[$__rate_interval]))", legend)
             for ref, what, end, legend in [("A", "flows", is_end[0], "as client"), ("B", "flows", is_end[1], "as server"),
                                            ("C", "failures", is_end[0], "failed")]], "short", 24)
    return d


def hosts_and_top_talkers():
    d = Dashboard("hosts-and-top-talkers", "Hosts and top talkers", "Which hosts, addresses and processes move most.",
                  variables=[INSTANCE])
    talkers = [total(end, rate("pidflow_edge_bytes_total", end + '_process!=""')) for end in ("source", "target")]
    d.lines("By host", "Octets per second in flows, by agent. Flows between two hosts with agents are counted by both.",
            [series("A", total("instance", rate("pidflow_edge_bytes_total")), "{{instance}}")], "Bps")
    d.lines("By process", "The ten processes (host/name) with the most octets per second as client or server.",
            [series("A", top(10, total("id", by_end("source", talkers[0]) + " or " + by_end("target", talkers[1]))),
                    "{{id}}")], "Bps")
    d.lines("By address", "The ten busiest addresses, as client and as server; those of the host are among them.",
            [series("A", top(10, total("address, role", rate("pidflow_address_bytes_total"))),
                    "{{address}} ({{role}})")], "Bps")
    d.lines("By service", "The ten busiest services: the server's process, protocol and port.",
            [series("A", top(10, total("process, protocol, port", rate("pidflow_service_bytes_total", 'role="server"'))),
                    "{{process}} {{protocol}}/{{port}}")], "Bps")
    columns = [("A", "bytes", "Octets", "bytes"), ("B", "flows", "Flows", "short"), ("C", "failures", "Failed", "short")]
    headers = [named(f"Value #{ref}", title, unit) for ref, _, title, unit in columns]
    d.table("Addresses in this time", "Fifty addresses with the most, by role.",
            [instant(ref, top(50, total("address, role", increase(f"pidflow_address_{what}_total"))))
             for ref, what, _, _ in columns], overrides=headers)
    d.table("Services in this time", "Fifty services with the most, at their server's end.",
            [instant(ref, top(50, total("process, protocol, port",
                                     increase(f"pidflow_service_{what}_total", 'role="server"'))))
             for ref, what, _, _ in columns], overrides=headers)
    return d


def users():
    d = Dashboard("users", "Users", "What the processes of each user move and use.", variables=[INSTANCE])
    known = 'user!=""'
    for title, what, unit in [("Octets", "bytes", "Bps"), ("Flows", "flows", "short"), ("Failed attempts", "failures", "short")]:
        d.lines(title, f"{title} per second by user and by the role of the user's process.",
                [series("A", total("user, role", rate(f"pidflow_user_{what}_total", known)), "{{user}} ({{role}})")],
                unit, 8)
    d.lines("CPU", "CPU time of the processes that have flows, by user; 100 % is one core.",
            [series("A", total("user", rate("pidflow_process_cpu_time_seconds_total", known)), "{{user}}")],
            "percentunit", 8)
    d.lines("Memory", "Resident memory of the processes that have flows, by user.",
            [series("A", f"sum by (user) (pidflow_process_memory_usage_bytes{{{SELECT}}})", "{{user}}")], "bytes", 8)
    d.lines("Processes", "Processes that live and have had flows, by user.",
            [series("A", f"sum by (user) (pidflow_process_count{{{SELECT}}})", "{{user}}")], "short", 8)
    columns = [("A", total("user, id, process", increase("pidflow_process_cpu_time_seconds_total", known)), "CPU time", "s"),
               ("B", f"sum by (user, id, process) (pidflow_process_memory_usage_bytes{{{SELECT}}})", "Memory", "bytes"),
               ("C", f"sum by (user, id, process) (pidflow_process_memory_peak_bytes{{{SELECT}}})", "Peak memory", "bytes")]
    d.table("Processes of users", "What each user's processes used in the time chosen above, and have now.",
            [instant(ref, expression) for ref, expression, _, _ in columns], width=24,
            overrides=[*(named(f"Value #{ref}", title, unit) for ref, _, title, unit in columns), drill_down("id", "id")])
    return d


def kubernetes_workloads():
    d = Dashboard("kubernetes-workloads", "Kubernetes workloads",
                  "Workload to workload. Pods are known by the kubelet's links to the logs of their containers, workloads "
                  "are derived from the names of pods.", variables=[INSTANCE])
    known = 'id!="other"'
    edges = top(DRAWN, total("id, source, target", rate("pidflow_workload_bytes_total", known))) + " > 0"
    d.graph("Workloads", "Workloads as NAMESPACE/NAME (a container whose pod is not known: the first twelve digits of its id), "
            "the host itself, and addresses, which are pods of other hosts or the world; octets per second of both "
            "directions.", edges, links=False)
    d.lines("Busiest pairs", "Octets per second of both directions.",
            [series("A", top(10, total("source, target", rate("pidflow_workload_bytes_total"))),
                    "{{source}} → {{target}}")], "Bps")
    by, inside = "k8s_namespace, k8s_pod, container, process, user, id", 'container!=""'
    d.table("Processes in containers", "Which process is in which pod and container, and what it has and uses.",
            [instant("A", total(by, f"pidflow_process_memory_usage_bytes{{{SELECT}, {inside}}}")),
             instant("B", total(by, rate("pidflow_process_cpu_time_seconds_total", inside)))],
            overrides=[named("k8s_namespace", "Namespace"), named("k8s_pod", "Pod"),
                       named("Value #A", "Memory", "bytes"), named("Value #B", "CPU", "percentunit"),
                       drill_down("id", "id")])
    columns = [("A", "bytes", "Octets", "bytes"), ("B", "flows", "Flows", "short"), ("C", "failures", "Failed", "short")]
    d.table("Pairs in this time", "What passed between each pair in the time chosen above.",
            [instant(ref, total("source, target", increase(f"pidflow_workload_{what}_total", known)))
             for ref, what, _, _ in columns], width=24,
            overrides=[named(f"Value #{ref}", title, unit) for ref, _, title, unit in columns])
    return d


def timeline():
    d = Dashboard("timeline", "Timeline", "Which process talked when.", variables=[INSTANCE])
    known = 'id!="other"'
    steps = [(None, "transparent"), (1, "#56A64B"), (10_000, "#F2CC0C"), (1_000_000, "#E02F44")]
    by_rate = {"custom": {"fillOpacity": 80, "lineWidth": 0}, "color": {"mode": "thresholds"},
               "thresholds": {"mode": "absolute", "steps": [{"value": v, "color": c} for v, c in steps]}}
    options = {"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {"displayMode": "list"}}
    for title, end, kind in [("Clients", "source", "began connections or sent first"), ("Servers", "target", "were talked to")]:
        d.panel("state-timeline", title,
                f"The forty processes and addresses that {kind}: green from 1, yellow from 10 k, red from 1 M octets "
                "per second; empty: silent.", (24, 14),
                [series("A", top(40, total(end, rate("pidflow_edge_bytes_total", known)) + " > 0"), "{{%s}}" % end)],
                "Bps", defaults=by_rate, options=options)
    d.panel("state-timeline", "Failed attempts", "Whose connection attempts failed: per second.", (24, 9),
            [series("A", top(20, total("source, target", rate("pidflow_edge_failures_total", known)) + " > 0"),
                    "{{source}} → {{target}}")], "short",
            defaults={**by_rate, "thresholds": {"mode": "absolute", "steps": [
                {"value": None, "color": "transparent"}, {"value": 0.001, "color": "#E02F44"}]}}, options=options)
    return d


def agent_health():
    d = Dashboard("agent-health", "Agent health", "What the agents lose, how sure they are, and what waits.",
                  variables=[INSTANCE])
    with_process = 'attribution=~"socket-event|local-port-event|snapshot-tuple|snapshot-port|listener-only"'
    expected = 'attribution!~"remote|offline|kernel"'
    lost = ["pidflow_packets_dropped_by_kernel_total", "pidflow_probe_events_lost_total", "pidflow_export_lost_records_total"]
    d.stat("Ready", "Agents of which everything is attached and running.", f"sum(pidflow_ready{{{SELECT}}})", width=4)
    d.stat("Local ends with a process", "Ends on hosts with an agent for which the process was found.",
           f"sum({rate('pidflow_record_ends_total', with_process)}) / sum({rate('pidflow_record_ends_total', expected)})",
           "percentunit", 5)
    d.stat("Packets", "Packets per second that became part of a flow.", f"sum({rate('pidflow_packets_total')})", "pps", 5)
    d.stat("Flows active", "Flows in the tables.", f"sum(pidflow_flows_active{{{SELECT}}})", "short", 5)
    d.stat("Lost", "Packets, kernel events and records lost per second, all reasons.",
           " + ".join(f"sum({rate(metric)} or vector(0))" for metric in lost), "short", 5)
    d.lines("Lost packets", "Packets per second that the kernel dropped before the agent saw them.",
            [series("A", f"sum by (instance, interface) ({rate(lost[0])})", "{{interface}}")], "pps", 8)
    d.lines("Lost kernel events", "Per second, by reason.",
            [series("A", f"sum by (reason) ({rate(lost[1])})", "{{reason}}")], "short", 8)
    d.lines("Lost records", "Records per second lost on the way out, by exporter and reason; empty: none ever.",
            [series("A", f"sum by (exporter, reason) ({rate(lost[2])}) or vector(0)", "{{exporter}} {{reason}}")], "short", 8)
    d.lines("Packets in no flow", "Per second, by reason.",
            [series("A", total("reason", rate("pidflow_packets_discarded_total")) + " or vector(0)", "{{reason}}")], "pps", 8)
    d.lines("Ends by attribution", "Ends of records per second, by how they were attributed or why not.",
            [series("A", total("end, attribution", rate("pidflow_record_ends_total")), "{{end}}: {{attribution}}")],
            "short", 8)
    d.lines("Records by reason", "Records per second, by the reason for the flow's end.",
            [series("A", total("reason", rate("pidflow_records_total")), "{{reason}}")], "short", 8)
    d.lines("Queues", "Things that wait, by queue.",
            [series("A", f"sum by (queue) (pidflow_queue_depth{{{SELECT}}})", "{{queue}}")], "short", 8)
    d.lines("Exporters", "Records per second handed on, by exporter; and batches that wait.",
            [series("A", total("exporter", rate("pidflow_exported_records_total")), "{{exporter}}"),
             series("B", f"sum by (exporter) (pidflow_export_queue_depth{{{SELECT}}})", "{{exporter}} waiting")], "short", 8)
    d.lines("Tables", "Entries held, by table.",
            [series("A", f"sum by (table) (pidflow_table_entries{{{SELECT}}})", "{{table}}")], "short", 8)
    d.lines("Kernel events", "What the probes did, per second.",
            [series("A", total("outcome", rate("pidflow_probe_events_total")), "{{outcome}}")], "short")
    d.lines("Join", "What the join of flows and processes did, per second.",
            [series("A", total("outcome", rate("pidflow_join_total")), "{{outcome}}")], "short")
    d.table("Hooks", "The way that each hook into the kernel took.", [instant("A", f"pidflow_hook_info{{{SELECT}}}")],
            width=14, hidden=["Value"])
    d.table("Agents", "Versions.", [instant("A", f"pidflow_build_info{{{SELECT}}}")], width=10, hidden=["Value"])
    return d


# What follows is for ClickHouse, from the table of exporters/mappings/clickhouse.sql.
CLICKHOUSE = "grafana-clickhouse-datasource"
SOURCE = "coalesce(nullIf(SRC_PROC_NAME, ''), toString(IPV4_SRC_ADDR), toString(IPV6_SRC_ADDR), '')"
TARGET = "coalesce(nullIf(DST_PROC_NAME, ''), toString(IPV4_DST_ADDR), toString(IPV6_DST_ADDR), '')"
OCTETS = "sum(ifNull(IN_BYTES, 0) + ifNull(OUT_BYTES, 0))"
IN_TIME = "$__timeFilter(LAST_SWITCHED)"
AT = "$__timeInterval(LAST_SWITCHED) AS time"
OF_PROCESS = "(SRC_PROC_NAME = '$process' OR DST_PROC_NAME = '$process')"


def sql(ref, text, over_time=False):
    """A query of the ClickHouse data source; format 0 is a time series, 1 a table."""
    kind = "timeseries" if over_time else "table"
    return {"refId": ref, "rawSql": " ".join(text.split()), "editorType": "sql", "queryType": kind,
            "format": 0 if over_time else 1, "pluginVersion": "4.0.0"}


def sql_graph(d, title, description, where, height=16):
    """Columns are fields under their own names here, so nothing has to be renamed."""
    edges = f"""SELECT concat(source, '->', target) AS id, {SOURCE} AS source, {TARGET} AS target, {OCTETS} AS mainstat,
        countIf(FLOW_END_REASON != 2) AS secondarystat, countIf(CONNECT_ERROR > 0) AS detail__failed,
        round(quantile(0.95)(CONNECT_MICROSECONDS) / 1000, 3) AS detail__connect_ms
        FROM flows WHERE {where} GROUP BY source, target ORDER BY mainstat DESC LIMIT {DRAWN}"""
    nodes = f"""WITH edges AS ({edges})
        SELECT id, id AS title, sum(octets) AS mainstat FROM
        (SELECT source AS id, mainstat AS octets FROM edges UNION ALL SELECT target AS id, mainstat AS octets FROM edges)
        GROUP BY id"""
    url = "/d/pidflow-history-process/history-process?${datasource:queryparam}&var-process=${__data.fields.title}&${__url_time_range}"
    link = {"title": "History of ${__data.fields.title}", "url": url, "targetBlank": False}
    override = {"matcher": {"id": "byName", "options": "title"}, "properties": [{"id": "links", "value": [link]}]}
    d.panel("nodeGraph", title, description, (24, height), [sql("nodes", nodes), sql("edges", edges)], "bytes",
            overrides=[override], options={"nodes": {"mainStatUnit": "bytes"}, "edges": {"mainStatUnit": "bytes"},
                                           "zoomMode": "cooperative", "layoutAlgorithm": "layered"})


def history_process_flows():
    d = Dashboard("history-process-flows", "History: process flows", "Flow records in ClickHouse: who talked to whom.",
                  source=CLICKHOUSE)
    sql_graph(d, "Process flows", f"The {DRAWN} pairs of processes and addresses with the most octets.", IN_TIME)
    d.lines("Octets by client", "The ten clients with the most, octets.",
            [sql("A", f"""WITH top AS (SELECT {SOURCE} AS client FROM flows WHERE {IN_TIME} GROUP BY client
                ORDER BY {OCTETS} DESC LIMIT 10)
                SELECT {AT}, {SOURCE} AS client, {OCTETS} AS octets FROM flows
                WHERE {IN_TIME} AND client IN top GROUP BY time, client ORDER BY time""", True)], "bytes")
    d.lines("Failed attempts", "Connection attempts that failed, by client.",
            [sql("A", f"""SELECT {AT}, {SOURCE} AS client, count() AS failed FROM flows
                WHERE {IN_TIME} AND CONNECT_ERROR > 0 GROUP BY time, client ORDER BY time""", True)], "short")
    for end, side in [("SRC", "client"), ("DST", "server")]:
        d.table(f"Users as {side}s", f"What processes of each user moved as {side}s.",
                [sql("A", f"""SELECT {end}_PROC_USER_NAME AS user, {OCTETS} AS octets, count() AS records,
                    uniq({end}_PROC_NAME) AS programs FROM flows WHERE {IN_TIME} AND {end}_PROC_USER_NAME != ''
                    GROUP BY user ORDER BY octets DESC LIMIT 100""")], overrides=[named("octets", "octets", "bytes")])
    d.table("Flows", "The thousand latest records.",
            [sql("A", f"""SELECT flow_start, flow_end, {SOURCE} AS source, SRC_PROC_PID, SRC_PROC_USER_NAME, {TARGET} AS target,
                DST_PROC_PID, DST_PROC_USER_NAME, PROTOCOL, L4_DST_PORT, IN_BYTES, OUT_BYTES, CONNECT_MICROSECONDS,
                CONNECT_ERROR FROM flows WHERE {IN_TIME} ORDER BY LAST_SWITCHED DESC LIMIT 1000""")], width=24)
    return d


def history_process():
    names = """SELECT DISTINCT name FROM (SELECT SRC_PROC_NAME AS name FROM flows UNION ALL SELECT DST_PROC_NAME AS name
        FROM flows) WHERE name != '' ORDER BY name"""
    d = Dashboard("history-process", "History: process", "Flow records in ClickHouse: one process name.", source=CLICKHOUSE,
                  variables=[variable("process", "Process", " ".join(names.split()), many=False, source=CLICKHOUSE)])

    def ends(columns, where="1"):
        """The same columns of both ends, `END_` standing for SRC_ or DST_."""
        one = "SELECT LAST_SWITCHED, {columns} FROM flows WHERE {time} AND END_PROC_NAME = '$process' AND {where}"
        one = one.format(columns=columns, time=IN_TIME, where=where)
        return f"({one.replace('END_', 'SRC_')} UNION ALL {one.replace('END_', 'DST_')})"

    identity = ends("END_PROC_PID AS pid, END_PROC_START_TIME AS started, END_PROC_USER_NAME AS user, "
                    "END_FATHER_PROC_NAME AS parent, END_PROC_ANCESTORS AS ancestors, END_PROC_EXECUTABLE AS executable, "
                    "END_PROC_PEAK_MEMORY_64 AS peak")
    d.table("Processes", "Every process of this name that had flows, with its parents.",
            [sql("A", f"""SELECT pid, fromUnixTimestamp64Milli(toInt64(started)) AS start, any(user) AS user, any(parent) AS parent,
                any(ancestors) AS ancestors, any(executable) AS executable, max(peak) AS peak_memory, count() AS records
                FROM {identity} GROUP BY pid, started ORDER BY start DESC LIMIT 100""")], width=24,
            overrides=[named("peak_memory", "peak memory", "bytes")])
    usage = [("Memory", "bytes", "max(actual) AS actual, max(peak) AS peak",
              "END_PROC_ACTUAL_MEMORY_64 AS actual, END_PROC_PEAK_MEMORY_64 AS peak", "Highest resident memory, and its peak."),
             ("CPU", "percent", "max(load) / 100 AS CPU", "END_PROC_AVERAGE_CPU_LOAD AS load",
              "Highest load over the time of a flow; 100 % is one core."),
             ("Page faults and I/O wait", "short", "sum(faults) AS faults, max(iowait) / 100 AS iowait_percent",
              "END_PROC_NUM_PAGE_FAULTS AS faults, END_PROC_PCTG_IOWAIT AS iowait",
              "Faults during flows; a fault during two flows at once is counted by both.")]
    for title, unit, shown, columns, text in usage:
        d.lines(title, text, [sql("A", f"SELECT {AT}, {shown} FROM {ends(columns)} GROUP BY time ORDER BY time", True)], unit, 8)
    sql_graph(d, "Peers", "Whom it talked to.", f"{IN_TIME} AND {OF_PROCESS}", 12)
    d.table("Protocols", "By role, IP protocol and the server's port.",
            [sql("A", f"""SELECT if(SRC_PROC_NAME = '$process', 'client', 'server') AS role, PROTOCOL AS protocol,
                L4_DST_PORT AS port, {OCTETS} AS octets, count() AS records, countIf(CONNECT_ERROR > 0) AS failed
                FROM flows WHERE {IN_TIME} AND {OF_PROCESS} GROUP BY role, protocol, port
                ORDER BY octets DESC LIMIT 100""")], width=24, overrides=[named("octets", "octets", "bytes")])
    return d


LIVE = [process_flows, process, hosts_and_top_talkers, users, kubernetes_workloads, timeline, agent_health]
HISTORY = [history_process_flows, history_process]

if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for build in LIVE:
        build().write(out)
    for build in HISTORY:
        build().write(out / "clickhouse")
