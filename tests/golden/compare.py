#!/usr/bin/env python3
"""Reads captures with two builds of pidflow and compares the records, element by element.

    tests/golden/compare.py [--changed N] [--jobs N] [--show N] OLD NEW PATH...

OLD and NEW are two `pidflow` programs, PATH captures or folders of captures. Every capture, and N changed copies of it, is
read with several options to JSON and IPFIX, and to NetFlow v9. Elements that only NEW knows are left out. Printed are the
numbers of equal and different records, and the differences grouped by the elements in which they are. Exit status 1: there
are differences.
"""
import argparse
import collections
import concurrent.futures
import difflib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

from decode import Decoder
from mutate import variants

OPTIONS = {
    "default": [],
    "whole": ["-t", "0", "-d", "0"],
    "separate": ["--fragments", "separate"],
    "short": ["-t", "1s", "-d", "1s"],
}
TEMPLATE = "@FLOW@ @PROCESS@ @PIDFLOW@"


class Program:
    def __init__(self, path):
        self.path = os.path.abspath(path)
        listed = subprocess.run([self.path, "fields", "--json"], capture_output=True, text=True, check=True).stdout
        self.fields = [json.loads(line) for line in listed.splitlines()]
        self.names = {field["name"] for field in self.fields}
        self.flags = []

    def like(self, old):
        """Leaves tunnels closed if the other program cannot open them; else all inner flows would differ."""
        if "TUNNEL_KIND" in self.names - old.names:
            self.flags = ["--tunnels", "outer"]

    def run(self, arguments, cwd):
        try:
            done = subprocess.run([self.path, "read", *self.flags, *arguments], capture_output=True, cwd=cwd, timeout=60)
        except subprocess.TimeoutExpired:
            return 124, b"", b"timeout"
        return done.returncode, done.stdout, done.stderr


def numbers(stderr):
    """The numbers of the summary: packets, bytes, flows and the discarded packets of each reason."""
    text = stderr.decode("utf-8", "replace").replace(",", "")
    said = {}
    for packets, octets, inside, flows in re.findall(r"(\d+) packets \((\d+) (?:octets|bytes)[^)]*\): (\d+) in (\d+) flows", text):
        said.update(packets=packets, bytes=octets, inside=inside, flows=flows)
    for line in re.findall(r"in no flow: (.*)", text):
        for reason, packets in re.findall(r"([a-z0-9-]+) (\d+) \(", line):
            said[reason] = packets
    return said


def read(program, capture, options, folder):
    """Exit code, summary, JSON records and IPFIX records."""
    config, ipfix = os.path.join(folder, "pidflow.toml"), os.path.join(folder, "out.ipfix")
    with open(config, "w") as file:
        file.write(f'[[exporter]]\nkind = "ipfix"\nurl = "file:{ipfix}"\noptions-records = false\ndomain = 1\n'
                   f'template = "{TEMPLATE}"\n')
    code, out, err = program.run(["--config", config, "--json", "-", *options, "capture"], os.path.dirname(capture))
    if code == 2:
        raise SystemExit(f"{program.path} refuses its options: {err.decode()}")
    decoder = Decoder()
    if os.path.exists(ipfix):
        with open(ipfix, "rb") as file:
            decoder.stream(file.read())
        os.remove(ipfix)
    lines = [json.loads(line) for line in out.splitlines()]
    return code, numbers(err), lines, decoder.records + [{"problem": p} for p in decoder.problems]


def netflow9(program, capture):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.05)
        target = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
        program.run(["-V", "9", "-n", target, "-T", TEMPLATE, "capture"], os.path.dirname(capture))
        decoder = Decoder()
        try:
            while True:
                decoder.datagram(receiver.recv(65536))
        except TimeoutError:
            return decoder.records + [{"problem": p} for p in decoder.problems]


def without(records, names):
    return [json.dumps({k: v for k, v in record.items() if k not in names}, sort_keys=True) for record in records]


def cause(old, new):
    """Which elements differ between two records."""
    old, new = json.loads(old), json.loads(new)
    return "differ in " + " ".join(sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k)))


def differences(old, new):
    """(number of equal records, causes with an example)."""
    if old == new:
        return len(old), []
    if sorted(old) == sorted(new):
        return len(old), [("order", old, new)]
    found, equal = [], 0
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            equal += b - a
            continue
        for i in range(max(b - a, d - c)):
            before, after = old[a + i] if a + i < b else None, new[c + i] if c + i < d else None
            why = "only old" if after is None else "only new" if before is None else cause(before, after)
            found.append((why, before, after))
    return equal, found


def compare(job):
    programs, name, data, changed = job
    result = []
    with tempfile.TemporaryDirectory() as folder:
        capture = os.path.join(folder, "capture")
        with open(capture, "wb") as file:
            file.write(data)
        for label, options in OPTIONS.items():
            old, new = (read(p, capture, options, folder) for p in programs)
            result += [(label, "exit code", int(old[0] == new[0]), [] if old[0] == new[0] else [("exit code", old[0], new[0])]),
                       (label, "summary", int(old[1] == new[1]), [] if old[1] == new[1] else [("summary", old[1], new[1])])]
            for form, at, left_out in (("JSON", 2, LEFT_OUT[0]), ("IPFIX", 3, LEFT_OUT[1])):
                result.append((label, form, *differences(without(old[at], left_out), without(new[at], left_out))))
        if not changed:
            old, new = (without(netflow9(p, capture), LEFT_OUT[2]) for p in programs)
            result.append(("default", "NetFlow v9", *differences(old, new)))
    return name, result


def captures(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, files in os.walk(path):
                yield from (os.path.join(folder, file) for file in sorted(files)
                            if not file.endswith((".md", ".py", ".jsonl", ".txt")))
        else:
            yield path


def jobs(programs, arguments):
    for path in captures(arguments.path):
        with open(path, "rb") as file:
            data = file.read()
        for number, (name, changed) in enumerate(variants(path, data, arguments.changed)):
            yield programs, name, changed, number > 0


def main():
    global LEFT_OUT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changed", type=int, default=0, help="changed copies of each capture")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--show", type=int, default=2, help="examples of each difference")
    parser.add_argument("old"), parser.add_argument("new"), parser.add_argument("path", nargs="+")
    arguments = parser.parse_args()
    programs = [Program(arguments.old), Program(arguments.new)]
    programs[1].like(programs[0])
    new = [f for f in programs[1].fields if f["name"] not in programs[0].names]
    LEFT_OUT = ({f["name"] for f in new}, {f"{f['enterprise'] or 0}.{f['id']}" for f in new}, {f"0.{f['netflow9']}" for f in new})
    print("only NEW knows:", ", ".join(sorted(LEFT_OUT[0])) or "no element")
    equal, groups, files = collections.Counter(), collections.defaultdict(list), 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, result in pool.map(compare, jobs(programs, arguments)):
            files += 1
            for label, form, same, found in result:
                equal[form] += same
                for why, before, after in found:
                    groups[form, why].append((name, label, before, after))
    print(f"{files} captures; equal: " + ", ".join(f"{n} {form}" for form, n in sorted(equal.items())))
    for (form, why), found in sorted(groups.items(), key=lambda group: -len(group[1])):
        print(f"{len(found):6} {form}: {why} ({len({f[0] for f in found})} captures)")
        for name, label, before, after in found[:arguments.show]:
            print(f"         {name} [{label}]\n           old {str(before)[:1200]}\n           new {str(after)[:1200]}")
    nothing = [form for form in ("JSON", "IPFIX", "NetFlow v9") if equal[form] == 0]
    if nothing:
        print("no record is equal in " + ", ".join(nothing))
    sys.exit(1 if groups or nothing else 0)




if __name__ == "__main__":
    main()
