#!/usr/bin/env python3
"""Renders a Helm chart with Helm's own library, without a cluster: `render.py CHART <REQUEST`.

The request is JSON: `values`, a list of values of the release pidflow in the namespace pidflow, and `files`, a list of
YAML files. The answer is JSON: `charts`, with `{"objects": [...], "notes": "..."}` or `{"error": "..."}` for each of the
values; `files`, with the objects of each file; and `lint`, what Helm's lint says about the chart.
"""

import json
import sys

import helm_python
import yaml


def objects(text):
    return [found for found in yaml.safe_load_all(text) if found]


def rendered(chart, values):
    try:
        output = chart.render(values, name="pidflow", namespace="pidflow")
    except helm_python.HelmError as why:
        return {"error": str(why)}
    notes = [text for path, text in output.items() if path.endswith("NOTES.txt")]
    manifests = [text for path, text in sorted(output.items()) if path.endswith(".yaml")]
    return {"objects": [found for text in manifests for found in objects(text)], "notes": "".join(notes)}


def main(folder):
    request = json.load(sys.stdin)
    with helm_python.Chart.load(folder) as chart:
        charts = [rendered(chart, values) for values in request["values"]]
    files = [objects(open(path, encoding="utf-8").read()) for path in request["files"]]
    lint = helm_python.lint(folder, {})
    # 2 and 3 are warnings and errors.
    faults = lint["errors"] + [m["error"] for m in lint["messages"] if m["severity"] >= 2]
    json.dump({"charts": charts, "files": files, "lint": faults}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
