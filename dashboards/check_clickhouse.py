#!/usr/bin/env python3
"""check_clickhouse.py FLOWS.jsonl HOST[,HOST]/NAME [FRAMES.json]: runs every query of the ClickHouse dashboards in chdb (ClickHouse's engine).

The records are the agent's, the tables are those of exporters/mappings. Prints one line per query; fails
when one has no answer, or a node graph's has not what the panel wants. FRAMES.json gets the columns of each answer, for
tests/pictures/dashboards.mjs, and need not have all answers.
"""

import json
import pathlib
import re
import sys

from chdb import session

HERE = pathlib.Path(__file__).parent
records, process, *frames_file = sys.argv[1:]
frames = {}
base = session.Session()
base.query("CREATE DATABASE d ENGINE = Atomic; USE d;")
for tables in ["clickhouse.sql", "clickhouse-glued.sql"]:
    base.query((HERE.parent / "exporters/mappings" / tables).read_text())
base.query(f"INSERT INTO flows FROM INFILE '{records}' FORMAT JSONEachRow")


def filled(text):
    """As Grafana's macros and variables do it."""
    text = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(0) AND \1 <= now() + 86400", text)
    text = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 1 second)", text)
    text = text.replace("$__fromTime", "toDateTime(0)").replace("$__toTime", "(now() + 86400)")
    hosts, name = process.split("/")
    one = f"'{hosts.split(',')[0]}/{name}'"
    return text.replace("${process:sqlstring}", one).replace("${host:sqlstring}", ", ".join(f"'{h}'" for h in hosts.split(",")))


def rows(text):
    return [json.loads(line) for line in str(base.query(filled(text), "JSONEachRow")).splitlines()]


def frame(text):
    """The columns with their types, as a data source hands them on."""
    settings = " SETTINGS output_format_json_quote_64bit_integers = 0, date_time_output_format = 'iso'"
    answer = json.loads(str(base.query(filled(text) + settings, "JSONCompact")))
    return {"columns": answer["meta"], "rows": answer["data"]}


failed = 0
for file in sorted((HERE / "clickhouse").glob("*.json")):
    dashboard = json.loads(file.read_text())
    queries = [(v["name"], "variable", v["query"]) for v in dashboard["templating"]["list"] if v["type"] == "query"]
    queries += [(p["title"], t["refId"], t["rawSql"]) for p in dashboard["panels"] for t in p["targets"]]
    ids = set()
    for title, ref, text in queries:
        answer = rows(text)
        if frames_file and ref != "variable":
            frames.setdefault(file.stem, {}).setdefault(title, {})[ref] = frame(text)
        wrong = not answer
        if ref == "nodes":
            ids = {row["id"] for row in answer}
        if ref == "edges":
            wrong |= any(not {"id", "source", "target", "mainstat"} <= row.keys() for row in answer)
            wrong |= {row[end] for row in answer for end in ("source", "target")} != ids
            wrong |= len({row["id"] for row in answer}) != len(answer)
        failed += wrong
        print("FAIL" if wrong else "ok", file.name, title, ref, len(answer), "rows")
if frames_file:
    pathlib.Path(frames_file[0]).write_text(json.dumps(frames))
sys.exit(1 if failed else 0)
