#!/usr/bin/env python3
"""draw.py OUT.png (GRAPH.json | PROCESSES MOST_EDGES): a picture of a node graph with headless Chromium.

GRAPH.json is what /api/graph answers. Else a made-up host of so many processes is drawn, with its busiest edges:
some services that many talk to, clients with few peers, and addresses of the world, the traffic of which falls off
quickly, as it does on real hosts.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

SIZE = (1850, 600)  # What the panel of the dashboard has on a screen of 1920 pixels.


def made_up(processes, most):
    random.seed(7)
    names = [f"service-{i}" if i < processes / 8 else f"worker-{i}" for i in range(processes)]
    servers = names[: max(2, processes // 8)]
    octets = {}
    for name in names:
        for _ in range(random.choice([1, 1, 1, 2, 2, 3])):
            # The first servers get the most clients.
            peer = servers[min(int(random.paretovariate(1.1)) - 1, len(servers) - 1)]
            if peer != name:
                octets["host/" + name, "host/" + peer] = random.paretovariate(0.6) * 1000
        if random.random() < 0.4:
            octets["host/" + name, f"198.51.100.{random.randrange(254)}"] = random.paretovariate(0.6) * 500
    busiest = sorted(octets.items(), key=lambda e: -e[1])[:most]
    edges = [{"id": f"{s}->{t}", "source": s, "target": t, "mainstat": n} for (s, t), n in busiest]
    sums = {}
    for edge in edges:
        for end in (edge["source"], edge["target"]):
            sums[end] = sums.get(end, 0) + edge["mainstat"]
    node = lambda i: {"title": i.split("/")[-1], "subtitle": "host" if "/" in i else ""}
    return {"nodes": [{"id": i, **node(i), "mainstat": n} for i, n in sums.items()], "edges": edges}


def main(out, *what):
    graph = json.loads(pathlib.Path(what[0]).read_text()) if len(what) == 1 else made_up(*map(int, what))
    beside = pathlib.Path(__file__).with_name
    code = f"window.graph = {json.dumps(graph)};\n{beside('graph.js').read_text()}"
    page = beside("graph.html").read_text().replace("/*CODE*/", code)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "graph.html"
        file.write_text(page)
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000",
                    f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={folder}/profile"]
        subprocess.run([*chromium, f"--screenshot={pathlib.Path(out).resolve()}", file.as_uri()], check=True, capture_output=True)
        dom = subprocess.run([*chromium, "--dump-dom", file.as_uri()], check=True, capture_output=True, text=True).stdout
        print(out, dom.split("<title>")[1].split("</title>")[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
