"""A web service in this process that answers as a test wants.

Touches http.server; takes functions of a request, gives an address. Driver side.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class WebService:
    """A server in this process: `answers` maps a path to a function of the request.

    Such a function gives the body's JSON value (or bytes), or (status, headers, body).
    """

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.asked: Counter[str] = Counter()
        self.stopping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        """End it."""
        self.stopping.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                service.asked[self.path] += 1
                answer = service.answers[path](self) if path in service.answers else (404, {}, b"")
                status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def parameter(self, name: str) -> str | None:
                return parse_qs(urlsplit(self.path).query).get(name, [""])[0] or None

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
