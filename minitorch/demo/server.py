"""The demo's server: a few packaged files, and an address for each exhibit that answers JSON with JSON.

It listens on the loopback interface only, and believes no request that names another host or comes from a page of
another origin: a page somewhere else can make a browser send requests here, but not as this host.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from .exhibit import BadRequest, Exhibit
from .stage import COMPUTING, Stage

LARGEST = 64 * 1024  # bytes of a request's body
PATIENCE = 20.0  # seconds for a request to arrive
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
# What the page may load: its own files, and the images that it draws.
POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
FILES = {
    "/": ("minitorch.demo", "index.html"),
    **{
        f"/{name}": ("minitorch.demo", name)
        for name in ("demo.css", "demo.js", "digits.js", "attention.js", "boxes.js")
    },
    **{f"/{name}": ("minitorch.viz", name) for name in ("palette.css", "picture.js")},
}


class Refused(Exception):
    """A request that gets an error: its status and a message."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


class Demo:
    """The server and its exhibits. `start` serves and trains in threads of its own; `close` ends both."""

    def __init__(self, exhibits: Sequence[Exhibit], port: int = 0):
        self.stages = {exhibit.name: Stage(exhibit) for exhibit in exhibits}
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.demo = self  # type: ignore[attr-defined]
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        if self.port == 80:
            self.hosts |= {"127.0.0.1", "localhost"}
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self.server.serve_forever, args=(0.1,)),
            threading.Thread(target=self.train),
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def train(self) -> None:
        for stage in self.stages.values():
            if not self.stopping.is_set():
                stage.prepare(self.stopping)

    def close(self) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        for thread in self.threads:
            thread.join()

    def status(self) -> dict[str, Any]:
        return {name: stage.status() for name, stage in self.stages.items()}

    def answer(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """What the exhibit says. `Refused`."""
        stage = self.stages.get(name)
        if stage is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no exhibit {name!r}; there are {', '.join(self.stages)}")
        if stage.state != "ready":
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{name} is not ready: {stage.state} {stage.words}".rstrip())
        try:
            with COMPUTING:
                return stage.exhibit.answer(request)
        except BadRequest as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "minitorch", ""
    timeout = PATIENCE

    @property
    def demo(self) -> Demo:
        return self.server.demo  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        self.reply(self.get)

    def do_POST(self) -> None:
        self.reply(self.post)

    def reply(self, respond) -> None:
        try:
            self.check_sender()
            kind, body = respond()
            self.send(HTTPStatus.OK, kind, body)
        except Refused as error:
            self.close_connection = True  # what is left of its body is not read
            self.send(error.status, "application/json", json.dumps({"error": str(error)}).encode())
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:
            self.close_connection = True
            message = json.dumps({"error": f"{type(error).__name__}: {error}"})
            self.send(HTTPStatus.INTERNAL_SERVER_ERROR, "application/json", message.encode())

    def check_sender(self) -> None:
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in self.demo.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, f"this is {self.demo.url}, not {host}")
        if origin is not None and origin.removeprefix("http://") not in self.demo.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, f"requests from {origin} are not answered")

    def get(self) -> tuple[str, bytes]:
        path = self.path.split("?")[0]
        if path == "/api/status":
            return "application/json", json.dumps(self.demo.status()).encode()
        if path.startswith("/api/"):
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "exhibits are asked by POST")
        if path not in FILES:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        package, name = FILES[path]
        return TYPES[name.rsplit(".", 1)[1]], (resources.files(package) / "page" / name).read_bytes()

    def post(self) -> tuple[str, bytes]:
        if not self.path.startswith("/api/"):
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only exhibits are asked by POST")
        answer = self.demo.answer(self.path.removeprefix("/api/"), self.request_body())
        return "application/json", json.dumps(answer).encode()

    def request_body(self) -> dict[str, Any]:
        """The JSON object that was sent. `Refused`."""
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request must be application/json")
        length = self.headers.get("Content-Length")
        if length is None:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a request must say its Content-Length")
        if not length.isascii() or not length.isdigit():
            raise Refused(HTTPStatus.BAD_REQUEST, f"Content-Length must be a number, not {length!r}")
        if int(length) > LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request may have {LARGEST:,} bytes")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"the request is no JSON: {error}") from error
        if not isinstance(request, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "the request must be a JSON object")
        return request

    def send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a terminal full of requests helps nobody."""
