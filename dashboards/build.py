#!/usr/bin/env python3
"""Writes the dashboards beside it: `python3 dashboards/build.py`, or into another folder: `build.py FOLDER`. A test fails
when one is stale.

What they are made of is in written/: live.py (Prometheus), history.py (ClickHouse), dashboard.py (panels), promql.py.
"""

import pathlib
import sys

from written import history, live

if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for build in live.ALL:
        build().write(out)
    for build in history.ALL:
        build().write(out / "clickhouse")
