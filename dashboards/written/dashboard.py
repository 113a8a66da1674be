"""A dashboard: panels on Grafana's grid, and their queries."""

import json

from .promql import by_end, increase, top, total, without_loops

# The number of pairs in a graph; with more the picture is no longer readable (ARCHITECTURE.md, "How many are drawn").
DRAWN = 60

# What traffic is counted in: name in metrics, title, unit.
SUMS = [("bytes", "Bytes", "decbytes"), ("flows", "Flows", "short"), ("failures", "Failed", "short")]


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

    def table(self, title, description, targets, width=12, height=9, hidden=(), order=(), sort="", **more):
        """Several instant queries side by side, joined by their labels; `order`: the first columns, `sort`: the column
        of which the highest comes first."""
        hide = {name: True for name in ["Time", "__name__", "job", *hidden]}
        transformations = [{"id": "merge", "options": {}}] if len(targets) > 1 else []
        transformations.append({"id": "organize", "options": {
            "excludeByName": hide, "indexByName": {name: place for place, name in enumerate(order)}}})
        options = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": sort, "desc": True}] if sort else []}
        return self.panel("table", title, description, (width, height), targets,
                          transformations=transformations, options=options, **more)

    def sums(self, title, description, metric, by, labels="", of=None, counts=SUMS, most=None, width=12, links=()):
        """A table of what `metric` counted in the time range, by the labels `by`; `of` makes the expression of a count
        where it is more than the sum, `most` keeps the rows with the most bytes."""
        of = of or (lambda what: total(", ".join(by), increase(f"{metric}_{what}_total", labels)))
        rows = {what: of(what) for what, *_ in counts}
        if most:
            rows = {what: top(most, e) if what == "bytes" else f"{e} and on ({', '.join(by)}) {top(most, rows['bytes'])}"
                    for what, e in rows.items()}
        columns = [(f"Value #{ref}", what, name, unit) for ref, (what, name, unit) in zip("ABCD", counts)]
        targets = [instant(field[-1], rows[what]) for field, what, _, _ in columns]
        overrides = [named(field, name, unit, 0) for field, _, name, unit in columns]
        overrides += [named(label, label.replace("_", " ").capitalize()) for label in by]
        order = [*by, *(field for field, *_ in columns)]
        return self.table(title, description, targets, width, order=order, sort="Bytes",
                          overrides=overrides + [drill_down(label, label) for label in links])

    def stat(self, title, description, expression, unit="", width=6, **more):
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "area"}
        return self.panel("stat", title, description, (width, 5), [series("A", expression)], unit,
                          options=options, **more)

    def graph(self, title, description, edges, height=16, links=True):
        """A node graph of an expression with the labels id, source and target.

        The panel looks at the names of fields, not at their display names, so "Organize fields" cannot rename the
        value to mainstat; a calculation makes a field that is called so. The nodes come from the same expression,
        because the panel needs every end of an edge among them; traffic of a node with itself counts once.
        """
        ends = " or ".join(by_end(end, total(end, e)) for end, e in [("source", edges), ("target", without_loops(edges))])
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
    """Adds the value of a query as a field named mainstat, to each frame by itself: applied to all frames, the
    transformation would join them by time."""
    reduce = {"reducer": "sum", "include": [f"Value #{ref}"]}
    return {"id": "calculateField", "filter": {"id": "byRefId", "options": ref},
            "options": {"mode": "reduceRow", "alias": "mainstat", "reduce": reduce}}


def drill_down(field, name):
    """A click on this field opens the process that the field `name` of the same row holds."""
    # Encoded here: Grafana leaves & + # in a name as they are.
    value = f"${{__data.fields.{name}:percentencode}}"
    url = f"/d/pidflow-process/process?${{datasource:queryparam}}&var-process={value}&${{__url_time_range}}"
    link = {"title": "Process ${__data.fields.%s}" % name, "url": url, "targetBlank": False}
    return {"matcher": {"id": "byName", "options": field}, "properties": [{"id": "links", "value": [link]}]}


def named(field, title, unit="", decimals=None):
    properties = [{"id": "displayName", "value": title}]
    if unit:
        properties.append({"id": "unit", "value": unit})
    if decimals is not None and unit == "short":
        properties.append({"id": "decimals", "value": decimals})
    return {"matcher": {"id": "byName", "options": field}, "properties": properties}


def source_variable(kind):
    label = {"prometheus": "Prometheus", "grafana-clickhouse-datasource": "ClickHouse"}[kind]
    return {"name": "datasource", "label": label, "type": "datasource", "query": kind, "current": {}, "hide": 0,
            "refresh": 1, "regex": "", "options": []}


def variable(name, label, query, many=True, source="prometheus", regex=""):
    everything = {"text": ["All"], "value": ["$__all"]} if many else {}
    return {
        "name": name, "label": label, "type": "query", "datasource": {"type": source, "uid": "${datasource}"},
        "definition": query, "query": {"query": query, "refId": name} if source == "prometheus" else query,
        "refresh": 2, "includeAll": many, "multi": many, **({"allValue": ".*"} if many and source == "prometheus" else {}),
        "current": everything, "sort": 1, "hide": 0, "regex": regex, "options": [],
    }
