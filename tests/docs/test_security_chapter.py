"""The chapters on security say what the program does: its figures, its keys, its cryptography, its records."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

MANUAL = ROOT / "rpsd" / "manual"
PROGRAM = ROOT / "rpsd"


def chapter(name: str) -> str:
    """Its words, however they are broken into lines."""
    return " ".join((MANUAL / f"{name}.md").read_text(encoding="utf-8").split())


def section(name: str, heading: str) -> str:
    text = (MANUAL / f"{name}.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"{name}.md has no section {heading}"
    return found[1]


def _figures() -> Iterator[tuple[str, str]]:
    """Chapter and words, made of what the program holds."""
    from rpsd.config.settings import Settings
    from rpsd.services import events as hub
    from rpsd.services.access import certificate, key, self_signed, service, ticket
    from rpsd.services.experiment import run_log
    from rpsd.services.model import file
    from rpsd.store import idempotency, lockout
    from rpsd.web import limits
    from rpsd.web.stream import events, frames, intake, reader, streams

    settings = Settings()
    auth, server, each = settings.auth, settings.server, settings.limits
    second = 10**9
    assert (auth.lockout.failures, auth.lockout.window, auth.jwt_ttl) == (10, 300.0, 900.0)
    yield "security", "Ten failed logins from one address within five minutes (`auth.lockout.failures`, `auth.lockout.window`)"
    yield "security", "which lives for `auth.jwt_ttl` (15 minutes)"
    yield "security", f"opens one socket within {ticket.LIFE_NS // second} seconds. A principal has {ticket.MOST_EACH} at most"
    yield "security", f"{lockout.MOST_LOCKED:,} lockouts, {lockout.MOST_KNOWN:,} pairs of key and address"
    assert key.OVERLAP_SECONDS == 86_400
    yield "security", "(a day when nothing is said, 90 days at most)"
    yield "security", f"when the key is {service.SIGNING_DAYS} days old"
    for name in ("read", "predict", "ingest", "train"):
        rate = getattr(each, name)
        yield "security", f"| `{name}` | {round(rate.count * 60 / rate.per_seconds):,}/min | key |"
    yield "security", f"| `public` | {round(each.public.count * 60 / each.public.per_seconds)}/min | address |"
    yield "security", f"| {limits.DEEPEST} levels | 400 |"
    yield "security", f"at most {idempotency.MOST_ANSWERS:,} answers and {idempotency.MOST_BYTES >> 20} MiB for each key"
    for name in ("first_byte_timeout", "header_timeout", "body_timeout", "keepalive"):
        yield "security", f"`server.{name}` |"
        yield "security", f"| {getattr(server, name):.0f} s"
    yield "security", f"`server.max_connections` ({server.max_connections:,})"
    yield "security", f"self-signed certificate of {self_signed.VALID_DAYS} days"
    yield "security", f"`certificate_expiring` begins {certificate.WARN_DAYS} days before the end"
    yield "events", f"503 when there are {streams.MOST:,} streams"
    yield "events", f"A key may have {streams.MOST_EACH} streams open, and a stream hears up to {frames.MOST_CHANNELS} channels"
    yield "events", f"one JSON object of text, of up to {frames.LONGEST >> 20} MiB"
    yield "events", f"Up to {intake.MOST_IN_FLIGHT} of them may be under way"
    yield "events", f"holds the newest {hub.RING:,} events of a channel, and {hub.MOST_HELD:,} in all"
    yield "events", f"For each reader {reader.MOST_WAITING} events wait, of {reader.MOST_BYTES >> 20} MiB together"
    yield "models", f"as `application/octet-stream`, of at most {file.LARGEST >> 20} MiB"
    yield "experiments", f"files of up to {run_log.MOST_BYTES >> 20} MiB, {run_log.MOST_BYTES_OF_RUN >> 20} MiB in a run"
    assert (reader.PATIENCE, events.HEARTBEAT) == (8.0, 5.0)
    yield "events", "you were too slow for eight seconds"
    yield "events", "After five silent seconds comes a comment"


def test_figures_are_those_of_the_program() -> None:
    told = [(name, words) for name, words in _figures() if words not in chapter(name)]
    assert told == []


_ALGORITHMS = {
    **{"hashlib.sha256": "SHA-256", "hashlib.blake2b": "BLAKE2b", "hashlib.file_digest": "SHA-256", "hmac.new": "HMAC with SHA-256"},
    **{"hmac.compare_digest": "compared in constant time", "ed25519": "Ed25519", "ec": "P-256", "rsa": "RSA", "HS256": "HS256"},
    "EdDSA": "EdDSA",
}
"""What the code may call, and the word that tells of it."""


def _called(path: Path) -> Iterator[str]:
    """Functions of hashlib and hmac, primitives of cryptography, algorithms of tokens that a file names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("hashlib", "hmac"):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in ("hashlib", "hmac"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cryptography.hazmat.primitives"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (name for name in names if name in ("ed25519", "ec", "rsa", "ciphers", "dsa", "dh", "x25519", "padding", "kdf"))
        elif isinstance(node, ast.Constant) and "access" in path.parts and re.fullmatch(r"[HREP]S\d{3}K?|EdDSA", str(node.value)):
            yield str(node.value)


def test_the_inventory_of_cryptography_is_whole() -> None:
    used = {name for path in PROGRAM.rglob("*.py") for name in _called(path)}
    assert {"hashlib.sha256", "hashlib.blake2b", "hmac.new", "ed25519", "ec", "HS256", "EdDSA"} <= used  # the search finds what is there
    assert used <= set(_ALGORITHMS), "the section on cryptography does not know these"
    listed = section("security", "Cryptography")
    assert [word for word in _ALGORITHMS.values() if word not in listed] == []


@pytest.mark.parametrize(
    "bad", ["import hashlib\nhashlib.md5(b'')", "from hashlib import sha1", "from cryptography.hazmat.primitives import ciphers"]
)
def test_what_is_not_listed_is_seen(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(bad, encoding="utf-8")
    assert set(_called(path)) - set(_ALGORITHMS)


def test_every_key_has_its_place_and_its_end() -> None:
    lines = [line for line in section("security", "Cryptography").splitlines() if line.startswith("| ")]
    ends = {cells[0]: cells[-1] for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}
    untold = [name for name in ("API keys", "the pepper", "tokens", "tickets", "webhooks", "TLS to clients") if not ends.get(name)]
    assert untold == []


def test_every_secret_has_its_level() -> None:
    told = section("security", "What is secret")
    secrets = ("API keys", "tokens", "tickets", "`pepper`", "`jwt.json`", "TLS key", "webhooks", "vendors", "0600", "0700")
    levels = ("| secret |", "| for administrators |", "| for readers |", "| public |")
    assert [word for word in (*secrets, *levels) if word not in told] == []


def test_holes_are_mended_in_stated_times() -> None:
    assert re.findall(r"(\d+) days", section("security", "Updates")) == ["7", "30", "90"]


def test_the_records_are_listed() -> None:
    told = section("operate", "Logs")
    records = ("service log", "audit log", "alerts", "runs of jobs", "drift reports", "decisions of retraining", "metrics")
    assert [word for word in records if word not in told] == []
