#!/usr/bin/env python3
"""host.py OUT_FOLDER [SECONDS [PIDFLOW]]: pictures of all dashboards, of a host with services that talk to each other.

Starts an agent on loopback, a Prometheus, nginx before a web application that asks redis (which writes each change to
disk, as another user), clients that ask nginx, one that asks a port at which nobody listens; lets them talk for SECONDS
(120), draws (dashboards.mjs; the dashboard Process is of redis), and ends them all; in a network namespace, so that nobody
else's traffic is in the pictures. As root, with the packages of tests/run.sh and of package.json installed (PIDFLOW_NODE_MODULES says where).
"""

import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

APPLICATION = """
import http.server, socket, sys
redis = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        redis.sendall(b"INCR visits\\r\\n")
        body = redis.recv(100) * 400
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log /dev/null; worker_processes 2;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{application}; }} }}
}}
"""


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def listening(port):
    for _ in range(300):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port} after 30 s")


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def services(folder, start, ports):
    redis, application, nginx, nobody = ports
    data = folder / "redis"
    data.mkdir()
    shutil.chown(data, "redis")
    written = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    start("runuser", "-u", "redis", "--", "redis-server", "--port", redis, "--dir", data, *written)
    listening(redis)
    start("python3", "-c", APPLICATION, application, redis)
    listening(application)
    start("nginx", "-c", write(folder, "nginx.conf", NGINX.format(folder=folder, port=nginx, application=application)))
    listening(nginx)
    start("sh", "-c", f"while :; do curl -s http://127.0.0.1:{nginx}/ >/dev/null; sleep 0.2; done")
    start("sh", "-c", f"while :; do wget -q -O /dev/null http://127.0.0.1:{nginx}/; sleep 0.5; done")
    start("sh", "-c", f"while :; do curl -s http://127.0.0.1:{nobody}/; sleep 1; done")


def main(out, seconds="120", pidflow=ROOT / "target/debug/pidflow"):
    agent, prometheus, *ports = free_ports(6)
    running = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)

        def start(*command):
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            running.append(subprocess.Popen([str(c) for c in command], start_new_session=True, **quiet))

        try:
            start(pidflow, "run", "-i", "lo", "-t", "5s", "-d", "2s", "--view", "plain", "--host", "web-1", "--delay-accounting", "on",
                  "--json", folder / "flows.jsonl", "--listen", f"127.0.0.1:{agent}")
            services(folder, start, ports)
            scrape = f"{{job_name: pidflow, scrape_interval: 2s, static_configs: [{{targets: ['127.0.0.1:{agent}']}}]}}"
            config = write(folder, "prometheus.yml", f"scrape_configs: [{scrape}]\n")
            start("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{prometheus}")
            time.sleep(int(seconds))
            draw = ["node", ROOT / "tests/pictures/dashboards.mjs", f"http://127.0.0.1:{prometheus}", out, "--process", "web-1/redis-server",
                    "--seconds", seconds, "--scrape", 2]
            subprocess.run([str(c) for c in draw], check=True)
        finally:
            for process in reversed(running):
                process.send_signal(signal.SIGTERM)
            for process in running:
                process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        main(*sys.argv[2:])
    else:
        apart = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, __file__, "--inside"]
        raise SystemExit(subprocess.run([*apart, *sys.argv[1:]], check=False).returncode)
