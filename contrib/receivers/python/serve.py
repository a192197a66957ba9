"""What every receiver here needs around its check.

A server on loopback that answers 200 to a genuine POST and 401 to any other. Prints the port it
listens on, then one line for each request: the answer and the event's id. The secret is in
WEBHOOK_SECRET.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(is_genuine):
    """`is_genuine(headers, raw_body, secret)` is true, or it is false or raises."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            raw_body = self.rfile.read(int(self.headers["content-length"]))
            try:
                genuine = is_genuine(self.headers, raw_body, os.environ["WEBHOOK_SECRET"])
            except Exception:
                genuine = False
            status = 200 if genuine else 401
            event = json.loads(raw_body)["id"] if genuine else "-"
            # In one piece: other requests are answered at the same time.
            os.write(1, f"{status} {event}\n".encode())
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
