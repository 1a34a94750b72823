"""One question to a server behind its admin socket, with nothing but the standard library: the answer counts whatever its status is."""

import json
import socket
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from rpsd.core.errors import Unavailable


class _Local(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def asked(admin_socket: Path, path: str, seconds: float = 5.0) -> dict[str, Any]:
    """The JSON object that GET path answers. Raises Unavailable when nothing answers within so many seconds."""
    connection = _Local(admin_socket, seconds)
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(f"{admin_socket} does not answer: {error}") from error
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}


def passes(readiness: dict[str, Any], without: Iterable[str] = ()) -> bool:
    """Whether all checks of /health/ready pass, but for those named."""
    checks = readiness.get("checks") or []
    left = set(without)
    return bool(checks) and all(check["passed"] for check in checks if check["name"] not in left)
