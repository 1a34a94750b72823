"""What every answer must be, whatever was asked."""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from tests.conftest import ROOT
from tests.fault.fuzz.request import Request

_DECLARED: Final = frozenset({503, 507})
_HEADERS: Final = (
    *(b"x-request-id", b"x-rpsd-version", b"server-timing", b"x-content-type-options", b"x-frame-options", b"referrer-policy"),
    *(b"content-security-policy", b"cache-control"),
)
INTERNALS: Final = re.compile(
    rb"Traceback \(most|File \\?\"/| object at 0x|site-packages|\bapsw\b|sqlite|\bmsgspec\b|\blitestar\b|\bgranian\b|numpy\.|"
    rb"rpsd\.(?!core\.frame)[a-z]+\.[a-z]+|"
    rb"\b[A-Z]\w+Error: |<class '"
)  # rpsd.core.frame is for callers, and hints name it
_NOT_FINITE: Final = re.compile(rb"[\[:,]\s*-?(NaN|Infinity)\b")
_SANE: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass(slots=True)
class Answer:
    """An answer as it came: status, headers (names in lower case, the last of a name wins), decoded body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    encoded: bool = False


class Judge:
    """Holds what may be said and what never; `complaints` names everything that is wrong with one answer."""

    def __init__(self, codes: frozenset[str], secrets: tuple[bytes, ...], places: tuple[bytes, ...]) -> None:
        """`secrets` must stand in no answer at all, `places` (paths of this machine) in no problem."""
        self._codes, self._secrets = codes, secrets
        self._places = (str(ROOT).encode(), *places)

    def complaints(self, request: Request, answer: Answer) -> list[str]:
        """In words; nothing when all is well."""
        found = [f"a secret is in the answer (number {k})" for k, secret in enumerate(self._secrets) if secret in answer.body]
        if answer.status >= 500 and answer.status not in _DECLARED:
            found.append(f"status {answer.status}")
        if request.broken and b"x-request-id" not in answer.headers:  # the engine's own answer to what is no HTTP
            return found if answer.status < 500 else [*found, "the engine broke"]
        found += [f"header {name.decode()} is missing" for name in _HEADERS if name not in answer.headers]
        if not _SANE.fullmatch(answer.headers.get(b"x-request-id", b"")):
            found.append("x-request-id is no token")
        if b"x-injected" in answer.headers:
            found.append("a header was injected")
        kind = answer.headers.get(b"content-type", b"")
        if request.method != b"HEAD" and not answer.encoded:
            if answer.status >= 400:
                found += self._problem(answer, kind)
            elif kind.startswith(b"application/json"):
                found += _strict(answer.body)
        return found

    def _problem(self, answer: Answer, kind: bytes) -> list[str]:
        if answer.status == 503 and kind == b"application/msgpack":
            return [] if isinstance(msgspec.msgpack.decode(answer.body), dict) else ["no mapping in MessagePack"]
        if kind.startswith(b"application/json") and answer.status == 503:
            return _strict(answer.body)  # health and readiness tell what is wrong in a shape of their own
        if kind != b"application/problem+json":
            return [f"status {answer.status} is told as {kind!r}"]
        found = [f"internals: {hit[0]!r}"] if (hit := INTERNALS.search(answer.body)) else []
        found += [f"a path of the machine: {place!r}" for place in self._places if place in answer.body]
        try:
            problem = msgspec.json.decode(answer.body, type=Shape)
        except msgspec.MsgspecError as error:
            return [*found, f"no problem document: {error}"]
        if problem.status != answer.status:
            found.append(f"the document says status {problem.status}")
        if problem.code not in self._codes:
            found.append(f"code {problem.code!r} is not in the manual")
        if problem.type != f"/manual/errors#{problem.code}":
            found.append(f"type {problem.type!r}")
        if problem.request_id.encode() != answer.headers.get(b"x-request-id"):
            found.append("the document has another request id")
        if answer.status in (429, 503, 507) and not answer.headers.get(b"retry-after", b"").isdigit():
            found.append("no Retry-After")
        if answer.status == 401 and b"www-authenticate" not in answer.headers:
            found.append("no WWW-Authenticate")
        if answer.status == 405 and b"allow" not in answer.headers:
            found.append("no Allow")
        if len(answer.body) > 65_536:
            found.append(f"a problem of {len(answer.body)} bytes")
        return found


class Where(msgspec.Struct, forbid_unknown_fields=True):
    pointer: str
    reason: str


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """RFC 9457 as rpsd promises it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    request_id: str
    errors: list[Where] = []


def _strict(body: bytes) -> list[str]:
    """JSON without NaN and Infinity, which this decoder refuses."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return [f"no JSON: {error}", *(["not finite"] if _NOT_FINITE.search(body) else [])]
    return []
