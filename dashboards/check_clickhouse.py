#!/usr/bin/env python3
"""check_clickhouse.py FLOWS.jsonl HOST/NAME: runs every query of the ClickHouse dashboards in chdb (ClickHouse's engine).

The records are the agent's, the tables are those of exporters/mappings. Prints one line per query; fails
when one has no answer, or a node graph's has not what the panel wants.
"""

import json
import pathlib
import re
import sys

from chdb import session

HERE = pathlib.Path(__file__).parent
records, process = sys.argv[1:]
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
    host = process.split("/")[0]
    return text.replace("${process:sqlstring}", f"'{process}'").replace("${host:sqlstring}", f"'{host}'")


def rows(text):
    return [json.loads(line) for line in str(base.query(filled(text), "JSONEachRow")).splitlines()]


failed = 0
for file in sorted((HERE / "clickhouse").glob("*.json")):
    dashboard = json.loads(file.read_text())
    queries = [(v["name"], "variable", v["query"]) for v in dashboard["templating"]["list"] if v["type"] == "query"]
    queries += [(p["title"], t["refId"], t["rawSql"]) for p in dashboard["panels"] for t in p["targets"]]
    ids = set()
    for title, ref, text in queries:
        answer = rows(text)
        wrong = not answer
        if ref == "nodes":
            ids = {row["id"] for row in answer}
        if ref == "edges":
            wrong |= any(not {"id", "source", "target", "mainstat"} <= row.keys() for row in answer)
            wrong |= {row[end] for row in answer for end in ("source", "target")} != ids
            wrong |= len({row["id"] for row in answer}) != len(answer)
        failed += wrong
        print("FAIL" if wrong else "ok", file.name, title, ref, len(answer), "rows")
sys.exit(1 if failed else 0)
