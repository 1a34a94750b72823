"""A client that connects anew over TLS all the time: `python -m tests.system.newcomer PORT` asks until its input ends.

Then it goes on for two seconds and prints how many were answered, under which certificates, and what failed.
"""

import hashlib
import json
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from typing import Final

_REQUEST: Final = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
_PAUSE_SECONDS: Final = 0.02
_AFTER_SECONDS: Final = 2.0


def ask(port: int, context: ssl.SSLContext) -> str:
    """The digest of the certificate under which an answer came. Raises OSError, ValueError."""
    with (
        socket.create_connection(("127.0.0.1", port), 30.0) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        digest = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
        secured.sendall(_REQUEST)
        answer = secured.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ValueError(repr(answer[:40]))
    return digest


def main() -> None:
    """Ask."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is whichever certificate is served that is looked at
    port, ended = int(sys.argv[1]), threading.Event()
    found, failed = Counter[str](), Counter[str]()
    ask(port, context)
    print("asking", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), time.sleep(_AFTER_SECONDS), ended.set()), daemon=True).start()
    while not ended.is_set():
        try:
            found[ask(port, context)] += 1
        except (OSError, ValueError) as error:
            failed[f"{type(error).__name__} {error}"[:120]] += 1
        time.sleep(_PAUSE_SECONDS)
    print(json.dumps({"answered": sum(found.values()), "certificates": list(found), "failed": failed}))


if __name__ == "__main__":
    main()
