"""One connection pool to one server; errors come back as the classes that the server raised."""

import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from rpsd.core.errors import ERRORS, Fault, InternalError, RateLimited, RpsdError, Unavailable

_CLASSES = {error.code: error for error in ERRORS}


def rebuilt(status: int, problem: Mapping[str, Any]) -> RpsdError:
    """The error that a problem document describes; an unknown code becomes InternalError."""
    faults = [Fault(str(item.get("pointer", "")), str(item.get("reason", ""))) for item in problem.get("errors") or ()]
    detail = str(problem.get("detail") or problem.get("title") or f"the server answered {status}")
    known = _CLASSES.get(str(problem.get("code")), InternalError)
    return known(detail, errors=faults, hint=problem.get("hint"), retry_after=problem.get("retry_after"))


class Connection:
    """How every call travels. `key` is an API key; over `socket` (the admin socket) none is needed.

    A call that the server refuses because a limit is used up is made again when the server says that it may, as long as all these waits of
    the call stay within `patience` seconds: a refused call has done nothing. Only a body that comes from an iterator cannot be sent twice.
    """

    def __init__(
        self, base_url: str = "http://127.0.0.1:8000", *, key: str | None = None, socket: Path | None = None, timeout: float = 60.0,
        ca: Path | None = None, patience: float = 30.0, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """`ca` is the certificate, or that of its authority, by which an https server is known where the system does not know it."""
        verify = True if ca is None else ssl.create_default_context(cafile=ca)
        self._patience, self._sleep = patience, sleep
        headers = {"X-API-Key": key} if key else {}
        transport = httpx.HTTPTransport(uds=str(socket)) if socket is not None else None
        base = "http://localhost" if socket is not None else base_url
        self._http = httpx.Client(
            base_url=base, headers=headers, transport=transport, timeout=timeout, trust_env=socket is None, verify=verify
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to one request. Raises the RpsdError that the server answered with, Unavailable when it cannot be reached."""
        left = self._patience if isinstance(options.get("content", b""), bytes | str) else 0.0
        while True:
            try:
                response = self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                raise _silent(error) from error
            if not response.is_error:
                return response
            left = self._wait(_failure(response), left)

    def _wait(self, failure: RpsdError, left: float) -> float:
        """Wait as long as the failure asks for; the patience that is left. Raises the failure when there is not enough, or no use."""
        wait = failure.retry_after
        if not isinstance(failure, RateLimited) or wait is None or wait > left:
            raise failure
        self._sleep(wait)
        return left - wait

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """request(), its JSON body; None when there is none."""
        params = {name: value for name, value in (options.pop("params", None) or {}).items() if value is not None}
        response = self.request(method, path, params=params, **options)
        return response.json() if response.content else None

    def health(self) -> dict[str, Any]:
        """GET /health; an unhealthy server answers 503 with the same body."""
        try:
            response = self._http.get("/health")
            found: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _silent(error) from error
        return found

    def pages(self, path: str, items: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every entry of a list that pages by cursor; `items` is the name of the list in the answer."""
        after: str | None = None
        while True:
            page = self.ask("GET", path, params={**params, "after": after, "limit": 1000})
            yield from page[items]
            after = page.get("next")
            if not after:
                return

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """The answer to a GET as it comes. Raises as request()."""
        left = self._patience
        while True:
            try:
                with self._http.stream("GET", path, **options) as response:
                    if not response.is_error:
                        yield response
                        return
                    response.read()
            except httpx.HTTPError as error:
                raise _silent(error) from error
            left = self._wait(_failure(response), left)


def _silent(error: Exception) -> Unavailable:
    """What to say of a server that gives no answer at all."""
    reason = re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    if reason.startswith(("illegal request line", "illegal status line")):  # bytes of TLS where an answer is expected
        return Unavailable("the server does not speak plain HTTP", hint="Write https:// instead of http:// in its address.")
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "Give the client the server's certificate, ca=…, and call the server by a name that is in it."
        return Unavailable(f"the server's certificate is not trusted: {reason.partition(': ')[2]}", hint=hint)
    return Unavailable(f"the server does not answer: {reason}", hint="Is it running? `systemctl status rpsd`, or `rpsd serve` by hand.")


def _failure(response: httpx.Response) -> RpsdError:
    """The error of a failed answer, whatever its body is."""
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": f"the server answered {response.status_code}"}
    error = rebuilt(response.status_code, problem if isinstance(problem, dict) else {})
    if (wait := response.headers.get("Retry-After", "")).isdecimal():
        error.retry_after = float(wait)
    return error
