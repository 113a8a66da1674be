#!/usr/bin/env python3
"""Explains why the records of two builds of pidflow differ: a table of causes, each with its proof.

    tests/golden/causes.py [--show N] OLD NEW PATH...

Reads captures as compare.py does, but no altered copies of them. If OLD cannot open tunnels, NEW leaves them closed. For each
capture, set of options and format, the differing records are assigned to causes. A cause is accepted only with its proof. Proofs
about the content of packets come from tshark, an independent reader of the same packets:

  refused before      OLD refuses the file; tshark reads as many packets as NEW.
  decoded now         The records that only NEW has contain exactly as many packets as OLD counts as unknown and NEW does not.
  fragments' ports    Packets and bytes are equal for each pair of addresses and protocol; NEW's ports occur in first fragments, and
                      the records differ nowhere else.
  active before idle  Equal except for the end reason: start + active timeout is not after end + idle timeout, so the active
                      timeout expired first.
  order               The same records in another order.

Exit status 1: some records are unexplained, or tshark is missing.
"""
import argparse
import collections
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile

import compare

ENDS = ("IPV4_SRC_ADDR", "IPV6_SRC_ADDR"), ("IPV4_DST_ADDR", "IPV6_DST_ADDR")
SUMS = "IN_PKTS", "IN_BYTES", "OUT_PKTS", "OUT_BYTES"
# RFC 5103: the same elements in the reverse direction.
REVERSE = {"29305.1": "OUT_BYTES", "29305.2": "OUT_PKTS"}
HEX = re.compile("([0-9a-f]{2})*")
ACTIVE_MS = IDLE_MS = 1000
IDLE, ACTIVE = 1, 2
UNFRAGMENTED = ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]


def tshark(capture, *arguments):
    done = subprocess.run(["tshark", "-n", "-r", capture, *UNFRAGMENTED, *arguments], capture_output=True, text=True)
    return done.stdout.splitlines()


def packets(capture):
    """Number of packets. tshark also prints a line for each pcapng block without a packet; those lines are not counted."""
    return sum(line != "PCAPNG" for line in tshark(capture, "-T", "fields", "-e", "_ws.col.Protocol"))


def first_fragments(capture):
    """Pairs of (address, port) of all first fragments."""
    fields = [a for f in ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport") for a in ("-e", f)]
    which = "(ip.flags.mf == 1 && ip.frag_offset == 0) || (ipv6.fraghdr.more == 1 && ipv6.fraghdr.offset == 0)"
    found = set()
    for line in tshark(capture, "-Y", which, "-T", "fields", "-E", "occurrence=f", *fields):
        v4a, v4b, v6a, v6b, ta, tb, ua, ub = (line.split("\t") + [""] * 8)[:8]
        if ta or ua:
            found.add(frozenset([(v4a or v6a, int(ta or ua)), (v4b or v6b, int(tb or ub))]))
    return found


def end(record, side):
    return next((record[name] for name in ENDS[side] if name in record), "")


def pair(record):
    return frozenset([end(record, 0), end(record, 1)]), record.get("PROTOCOL")


def endpoints(record):
    return frozenset([(end(record, 0), record.get("L4_SRC_PORT", 0)), (end(record, 1), record.get("L4_DST_PORT", 0))])


def total(record):
    return record.get("IN_PKTS", 0) + record.get("OUT_PKTS", 0), record.get("IN_BYTES", 0) + record.get("OUT_BYTES", 0)


def totals(records):
    sums = collections.defaultdict(lambda: [0, 0])
    for record in records:
        for at, more in enumerate(total(record)):
            sums[pair(record)][at] += more
    return dict(sums)


def apart(old, new):
    """The records that only OLD has, and those that only NEW has."""
    count = lambda records: collections.Counter(json.dumps(r, sort_keys=True) for r in records)
    a, b = count(old), count(new)
    parse = lambda counter: [json.loads(text) for text in counter.elements()]
    return parse(a - b), parse(b - a)


def take_active(old, new):
    """Removes pairs that are equal except for an end reason that follows from the timeouts, and counts them."""
    taken = 0
    for record in list(old):
        start, last = record.get("FLOW_START_MILLISECONDS", 0), record.get("FLOW_END_MILLISECONDS", 0)
        other = {**record, "FLOW_END_REASON": ACTIVE}
        if record.get("FLOW_END_REASON") == IDLE and start + ACTIVE_MS <= last + IDLE_MS and other in new:
            old.remove(record), new.remove(other)
            taken += 2
    return taken


def take_fragments(capture, old, new):
    """Removes records of address pairs whose first fragments have the ports that only NEW has, and counts them."""
    ports, sums = first_fragments(capture), (totals(old), totals(new))
    equal = {key for key in sums[0] if sums[0][key] == sums[1].get(key)}
    proven = {key for key in equal if all(endpoints(r) in ports for r in new if pair(r) == key)}
    of = lambda records: [r for r in records if pair(r) in proven]
    taken = len(of(old)) + len(of(new))
    old[:], new[:] = [r for r in old if pair(r) not in proven], [r for r in new if pair(r) not in proven]
    return taken


def causes(capture, form, label, old, new):
    """Number of differing records by cause for one format, and the records that are unexplained."""
    found = collections.Counter()
    before, after = old["records"], new["records"]
    left = apart(before, after)
    if before != after and not any(left):
        found["order"] += len(before)
        return found, left
    if old["code"] != 0 and not old["summary"] and packets(capture) == int(new["summary"].get("packets", -1)):
        found["refused before"] += sum(map(len, left))
        return found, ([], [])
    if label == "short":
        found["active before idle"] += take_active(*left)
    undecoded = sum(int(n) - int(new["summary"].get(reason, 0)) for reason, n in old["summary"].items() if "-" in reason)
    if not left[0] and left[1] and undecoded == sum(total(r)[0] for r in left[1]):
        found["decoded now"] += len(left[1])
        return found, ([], [])
    if any(left):
        found["fragments' ports"] += take_fragments(capture, *left)
    return found, left


def value(name, raw):
    """Value of a field that the message has in hexadecimal: an address or a number."""
    if not HEX.fullmatch(raw):
        return raw
    data = bytes.fromhex(raw)
    return str(ipaddress.ip_address(data)) if name.endswith("_ADDR") and len(data) in (4, 16) else int(raw or "0", 16)


def named(fields, records, key):
    names = {key(field): field["name"] for field in fields} | REVERSE
    return [{names.get(k, k): value(names.get(k, k), v) for k, v in record.items()} for record in records]


def read(program, newer, capture, options, folder):
    code, summary, lines, ipfix = compare.read(program, capture, options, folder)
    forms = {"JSON": (lines, lambda f: f["name"]), "IPFIX": (ipfix, lambda f: f"{f['enterprise'] or 0}.{f['id']}")}
    if not options:
        forms["NetFlow v9"] = (compare.netflow9(program, capture), lambda f: f"0.{f['netflow9']}")
    known = lambda record: {k: v for k, v in record.items() if k not in newer}
    return {form: {"code": code, "summary": summary, "records": [known(r) for r in (all if form == "JSON" else named(program.fields, all, key))]}
            for form, (all, key) in forms.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=int, default=3, help="number of unexplained records to print")
    parser.add_argument("old"), parser.add_argument("new"), parser.add_argument("path", nargs="+")
    arguments = parser.parse_args()
    programs = [compare.Program(arguments.old), compare.Program(arguments.new)]
    programs[1].like(programs[0])
    newer = programs[1].names - programs[0].names
    found, where, left, files, same = collections.Counter(), collections.defaultdict(set), [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in compare.captures(arguments.path):
            capture, files = os.path.join(folder, "capture"), files + 1
            with open(path, "rb") as source, open(capture, "wb") as copy:
                copy.write(source.read())
            for label, options in compare.OPTIONS.items():
                old, new = (read(program, newer, capture, options, folder) for program in programs)
                for form in old:
                    same += sum(1 for a, b in zip(old[form]["records"], new[form]["records"]) if a == b)
                    if old[form]["records"] == new[form]["records"]:
                        continue
                    why, rest = causes(capture, form, label, old[form], new[form])
                    found.update(why)
                    for cause in filter(why.get, why):
                        where[cause].add(os.path.basename(path))
                    left += [(path, label, form, "old", r) for r in rest[0]] + [(path, label, form, "new", r) for r in rest[1]]
    print(f"{files} captures; {same} records equal in place")
    for cause, records in found.most_common():
        print(f"{records:6} records: {cause} ({', '.join(sorted(where[cause]))})")
    print(f"{len(left):6} records: unexplained")
    for path, label, form, side, record in left[:arguments.show]:
        print(f"         {path} [{label}] {form} {side} {json.dumps(record)[:1200]}")
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
