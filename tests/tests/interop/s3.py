# A store that takes PUT requests whose query is signed (AWS Signature Version 4), checks the signatures by the specification alone, and
# writes each object below a folder: FOLDER KEY SECRET. Prints its port. ("Authenticating Requests: Using Query Parameters")
import hashlib, hmac, pathlib, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit

folder, key, secret = sys.argv[1:]


def mac(by, text):
    return hmac.new(by, text.encode(), hashlib.sha256).digest()


def is_signed(method, target, host):
    parts, given = urlsplit(target), dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    signature, (who, day, region, service, end) = given.pop("X-Amz-Signature"), given["X-Amz-Credential"].split("/")
    assert (who, service, end) == (key, "s3", "aws4_request"), given
    assert given["X-Amz-SignedHeaders"] == "host" and given["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256", given
    encoded = lambda text: quote(text, safe="-_.~")
    query = "&".join(sorted(f"{encoded(name)}={encoded(value)}" for name, value in given.items()))
    path = quote(unquote(parts.path), safe="/-_.~")
    request = "\n".join([method, path, query, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
    scope = "/".join([day, region, service, end])
    text = "\n".join(["AWS4-HMAC-SHA256", given["X-Amz-Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    by = f"AWS4{secret}".encode()
    for part in [day, region, service, end]:
        by = mac(by, part)
    return hmac.compare_digest(mac(by, text).hex(), signature)


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = is_signed("PUT", self.path, self.headers["host"])
        if signed:
            file = pathlib.Path(folder, unquote(urlsplit(self.path).path).lstrip("/"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        self.send_response(200 if signed else 403)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Store)
print(server.server_port, flush=True)
server.serve_forever()
