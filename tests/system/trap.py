"""A vendor and a receiver of alerts in one: `python -m tests.system.trap PORT FILE` answers in the network that it is started in.

GET answers a CSV of daily bars, POST answers 204 and leaves a line of JSON in the file: path, headers, body.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BARS = 5


class Trap(BaseHTTPRequestHandler):
    """One call."""

    def do_GET(self) -> None:
        today = datetime.now(UTC).date()
        rows = [f"{today - timedelta(days=BARS + 1 - k)},{100 + k}" for k in range(BARS)]
        self._answer(200, "\n".join(["date,close", *rows, ""]).encode(), "text/csv")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with Path(sys.argv[2]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}) + "\n")
        self._answer(204, b"", "text/plain")

    do_PUT = do_POST

    def _answer(self, status: int, body: bytes, media: str) -> None:
        self.send_response(status)
        self.send_header("content-type", media)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Trap).serve_forever()
