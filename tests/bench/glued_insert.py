#!/usr/bin/env python3
"""glued_insert.py [FLOWS] [RECORDS.jsonl]: flows per second and core that ClickHouse's engine (chdb) puts together as they are inserted.

Each flow is two records, of the agents at its two ends, in batches of 50,000 as a server puts them together from many agents
(`async_insert`). Records have what agents send of real flows: those of RECORDS.jsonl (what `pidflow run --json` wrote) with other keys
and hosts, otherwise made ones. Prints the CPU time of each part: the views alone, reading JSON, and the whole insert; what the tables take on disk; and how long a query of all flows
takes.
"""

import json
import pathlib
import resource
import sys
import time

from chdb import session

ROOT = pathlib.Path(__file__).parent.parent.parent / "exporters/mappings"
BATCH = 50_000
flows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
NOW = int(time.time()) // 3600 * 3600 - 3600


def made():
    """A record of a TCP connection with the elements that an agent sends with its default settings."""
    end = lambda side, name: {
        f"{side}_PROC_ATTRIBUTION": "socket-event", f"{side}_PROC_PID": 4000, f"{side}_PROC_NAME": name, f"{side}_PROC_USER_NAME": "www-data",
        f"{side}_PROC_START_TIME": NOW * 1000, f"{side}_PROC_UID": 33, f"{side}_PROC_EXECUTABLE": f"/usr/sbin/{name}",
        f"{side}_PROC_CMDLINE": f"/usr/sbin/{name} --config /etc/{name}.conf", f"{side}_PROC_ANCESTORS": "systemd",
        f"{side}_PROC_UNIT": f"{name}.service", f"{side}_FATHER_PROC_PID": 1, f"{side}_FATHER_PROC_NAME": "systemd",
        f"{side}_PROC_ACTUAL_MEMORY": 12000, f"{side}_PROC_PEAK_MEMORY_64": 16000, f"{side}_PROC_AVERAGE_CPU_LOAD": 12,
        f"{side}_PROC_NUM_PAGE_FAULTS": 7, f"{side}_NETWORK_NAMESPACE": 4026531840}
    flow = {"PROTOCOL": 6, "IP_PROTOCOL_VERSION": 4, "IPV4_SRC_ADDR": "10.0.0.1", "IPV4_DST_ADDR": "10.0.0.2", "L4_SRC_PORT": 40000,
            "L4_DST_PORT": 443, "IN_BYTES": 1200, "IN_PKTS": 9, "OUT_BYTES": 5400, "OUT_PKTS": 8, "TCP_FLAGS": 27, "INTERFACE_NAME": "eth0",
            "FLOW_KEY_BASIS": "tcp-sequence", "INITIATOR_BASIS": "syn", "FLOW_END_REASON": 3, "CONNECT_MICROSECONDS": 310,
            "COMMUNITY_ID": "1:abcdefghijklmnopqrstuvwxyz0="}
    return [{**flow, **end("SRC", "curl"), "DST_PROC_ATTRIBUTION": "remote"}, {**flow, **end("DST", "nginx"), "SRC_PROC_ATTRIBUTION": "remote"}]


def halves():
    """Both records of each flow, as one agent's batch after the other's."""
    given = [json.loads(line) for line in open(sys.argv[2])][:1000] if len(sys.argv) > 2 else None
    kinds = [(r, r) for r in given] if given else [tuple(made())]
    for n in range(flows):
        for side, record in enumerate(kinds[n % len(kinds)]):
            start = (NOW + n * 600 // flows) * 1000
            host = f"host-{n % 50 if side == 0 else 50 + n % 7}"
            times = {"FLOW_START_MILLISECONDS": start, "FLOW_END_MILLISECONDS": start + 900, "FIRST_SWITCHED": start // 1000, "LAST_SWITCHED": start // 1000}
            yield {**record, **times, "FLOW_KEY": f"{n * 2654435761 % 2**128:032x}", "OBSERVER": f"{host:0>32}", "HOST_NAME": host,
                   "IPV4_SRC_ADDR": f"10.0.{n % 50}.1", "L4_SRC_PORT": 1024 + n % 60000, "IPV4_DST_ADDR": f"10.1.{n % 7}.1"}


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work):
    """CPU seconds of the engine's threads."""
    began = cpu()
    work()
    return cpu() - began


def say(what, seconds):
    print(f"{what}: {flows / seconds:,.0f} flows ({2 * flows / seconds:,.0f} records) per CPU second", flush=True)


def tables(keep):
    """An engine with all tables; the records themselves are kept, or only what the views make of them."""
    engine = session.Session()
    raw, glued = ((ROOT / name).read_text() for name in ["clickhouse.sql", "clickhouse-glued.sql"])
    engine.query(raw if keep else raw[: raw.index("ENGINE = MergeTree")] + "ENGINE = Null")
    return engine, glued


def insert(engine, lines):
    for at in range(0, len(lines), BATCH):
        engine.query("INSERT INTO flows FORMAT JSONEachRow " + "\n".join(lines[at:at + BATCH]))


def views_alone(lines):
    """From columns in memory, so that neither JSON nor the table of records costs anything."""
    engine, glued = tables(False)
    engine.query("CREATE TABLE arrived AS flows ENGINE = Memory")
    for at in range(0, len(lines), BATCH):
        engine.query("INSERT INTO arrived FORMAT JSONEachRow " + "\n".join(lines[at:at + BATCH]))
    into = f"INSERT INTO flows SELECT * FROM arrived SETTINGS max_block_size = {BATCH}, min_insert_block_size_rows = {BATCH}, max_threads = 1"
    reading = timed(lambda: engine.query(into))
    engine.query(glued[: glued.index("-- Which agent's host had")])
    gluing = timed(lambda: engine.query(into)) - reading
    engine.query(glued)
    return gluing, timed(lambda: engine.query(into)) - reading


def sizes(engine):
    for table in ["flows", "glued_flows", "address_sightings"]:
        engine.query(f"OPTIMIZE TABLE {table} FINAL")
        size = f"SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND table = '{table}'"
        octets, rows = map(int, str(engine.query(size)).strip().split(","))
        print(f"    {table}: {rows} rows, {octets / max(rows, 1):.0f} octets each on disk")


lines = [json.dumps(record, separators=(",", ":")) for record in halves()]
print(f"{flows} flows, {sum(map(len, lines)) / len(lines):.0f} octets of JSON per record")
gluing, owners = views_alone(lines)
say("glue_flows alone", gluing)
say("glue_flows and see_addresses alone", owners)
say("reading JSON alone", timed(lambda: insert(tables(False)[0], lines)))
say("insert of JSON, records kept, no views", timed(lambda: insert(tables(True)[0], lines)))
everything, glued = tables(True)
everything.query(glued)
say("insert of JSON, records kept, views", timed(lambda: insert(everything, lines)))
sizes(everything)
start = time.time()
count, of_two = map(int, str(everything.query("SELECT count(), countIf(IS_GLUED) FROM whole_flows")).strip().split(","))
print(f"whole_flows: {count} flows, {of_two} of both ends, in {time.time() - start:.1f} s")
sys.exit(0 if of_two == flows else 1)
