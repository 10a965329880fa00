"""A web service in this process that answers as a test wants.

Touches http.server; takes functions of a request, gives an address. Driver side.
"""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class WebService:
    """A server in this process: `answers` maps a path to a function of the request.

    Such a function gives the body's JSON value (or bytes), or (status, headers, body).
    """

    def __init__(self):
        self.answers = {}
        self.asked = Counter()
        self.stopping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _handler(service):  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = urlsplit(self.path).path
                service.asked[self.path] += 1
                answer = service.answers.get(path, lambda _: (404, {}, b""))(self)
                status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def parameter(self, name):
                return parse_qs(urlsplit(self.path).query).get(name, [None])[0]

            def log_message(self, *_):
                pass

        return Handler
