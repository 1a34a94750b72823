"""`rpsd keys`: API keys; the secret is shown once, when the key is made."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs, table
from rpsd.cli.reach import load, reached
from rpsd.core.errors import InvalidRequest

app = typer.Typer(name="keys", help="Create, list, rotate and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

_OPTIONS = {"/name": "NAME", "/scopes": "--scope", "/limit": "--limit"}
_UNITS = {"h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


def expiry(text: str | None, now_ns: int) -> str | None:
    """The ISO time that `30d`, `12h` or an ISO time means; None stays None. Raises InvalidRequest, BadTime."""
    if text is None:
        return None
    from rpsd.core import instant

    if match := re.fullmatch(r"(\d{1,5})([hdwy])", text):
        return instant.text(now_ns // 10**9 * 10**9 + int(match[1]) * _UNITS[match[2]] * 10**9)
    moment = instant.parse(text)
    if moment <= now_ns:
        raise InvalidRequest(f"{text} is in the past", hint="Give a later time, or a stretch such as 90d.")
    return instant.text(moment)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use the key.")],
    scope: Annotated[list[str], typer.Option("--scope", help="read, ingest, predict, train or admin; again for more.")],
    expires: Annotated[str | None, typer.Option("--expires", help="When it ends: 90d, 12h, or an ISO 8601 time.")] = None,
    limit: Annotated[
        str | None, typer.Option("--limit", help="What this key may call instead of limits.*: 1000/s, 600/min, or a number a minute.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret is shown this once."""
    scopes = [part for given in scope for part in given.split(",") if part]
    now_ns = time.time_ns()
    ends = expiry(expires, now_ns)
    a_minute = _wished(name, scopes, limit, now_ns)
    with reached(load(config_file)) as here:
        found = here.create_key(name, scopes, ends, a_minute)
    _show(found, as_json)


def _wished(name: str, scopes: Sequence[str], limit: str | None, now_ns: int) -> int | None:
    """The limit in calls a minute. Raises InvalidRequest for anything that no key can have, by the names of the command line."""
    from rpsd.services.access.wish import check, per_minute

    try:
        a_minute = per_minute(limit)
        check(name, scopes, None, a_minute, now_ns)
    except InvalidRequest as error:
        faults = "; ".join(f"{_OPTIONS[fault.pointer]}: {fault.reason}" for fault in error.errors)
        raise InvalidRequest(faults, hint="`rpsd keys create --help` tells what each of them takes.") from error
    return a_minute


def _show(found: Mapping[str, Any], as_json: bool) -> None:
    """A key that was just made, with its secret."""
    shown = {"id": found["id"], "key": found["key"], "scopes": found["scopes"], "expires": found.get("expires")}
    text = pairs([("id", shown["id"]), ("key", shown["key"]), ("scopes", ", ".join(shown["scopes"])), ("expires", shown["expires"])])
    answer(shown, as_json, f"{text}\nKeep the key now: it is not shown again.")


@app.command()
def adopt(
    file: Annotated[Path, typer.Argument(help="API keys of an earlier system, one a line; `#` begins a comment.")],
    scope: Annotated[list[str], typer.Option("--scope", help="read, ingest, predict, train or admin; again for more.")],
    name: Annotated[str, typer.Option("--name", help="Who or what uses them; further ones are numbered.")] = "adopted",
    expires: Annotated[str | None, typer.Option("--expires", help="When they end: 90d, 12h, or an ISO 8601 time.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let API keys of an earlier system, of 32 characters and more, go on working. Only their hashes are kept."""
    from rpsd.cli.config import text_of

    scopes = [part for given in scope for part in given.split(",") if part]
    now_ns = time.time_ns()
    ends = expiry(expires, now_ns)
    _wished(name, scopes, None, now_ns)
    lines = [line.strip() for line in text_of(file).splitlines()]
    found = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    _refuse_unfit(file, found)
    with reached(load(config_file)) as here:
        done = here.adopt_keys([line for _, line in found], scopes, name, ends)
    headers = ("id", "name", "scopes", "expires")
    text = table(headers, [[_brief(row.get(h)) for h in headers] for row in done["keys"]], empty="No key is new.")
    known = f"\nworking already: {', '.join(done['known'])}" if done["known"] else ""
    answer(done, as_json, f"{text}{known}\nThe file {file} is no longer needed: remove it.")


def _refuse_unfit(file: Path, found: Sequence[tuple[int, str]]) -> None:
    """Raise InvalidRequest with every line that holds no key that can be taken over."""
    from rpsd.core.errors import Fault
    from rpsd.services.access.wish import ADOPTION_HINT, unfit_for_adoption

    faults = [Fault(f"{file}:{number}", reason) for number, line in found if (reason := unfit_for_adoption(line))]
    if not found:
        faults = [Fault(str(file), "holds no key")]
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults, hint=ADOPTION_HINT)


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    with reached(load(config_file)) as here:
        rows = here.keys()
    headers = ("id", "scopes", "created", "expires", "revoked", "last_used", "replaced_by", "name")
    answer({"keys": rows}, as_json, lambda: table(headers, [[_brief(row.get(h)) for h in headers] for row in rows], empty="No keys yet."))


def _brief(value: object) -> object:
    """Scopes on one line; of a time its day, the hour is in --json."""
    if isinstance(value, list | tuple):
        return ", ".join(value)
    return value[:10] if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value) else value


@app.command()
def rotate(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As `rpsd keys list` shows it.")],
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old key goes on working, 90 days at most.")] = "24h",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key in place of another. Its secret is shown this once."""
    from rpsd.config import kinds

    try:
        overlap_seconds = kinds.DURATION.parse(int(overlap) if overlap.isdecimal() else overlap)
    except kinds.Unfit as error:
        raise InvalidRequest(f"--overlap: {error}") from error
    with reached(load(config_file)) as here:
        found = here.rotate_key(identifier, overlap_seconds)
    _show(found, as_json)


@app.command("rotate-signing")
def rotate_signing(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Sign tokens with a new key; those signed before work until they end."""
    with reached(load(config_file)) as here:
        rows = here.rotate_signing_keys()
    headers = ("kid", "algorithm", "created", "signs")
    answer({"keys": rows}, as_json, lambda: table(headers, [[_brief(row.get(h)) for h in headers] for row in rows], empty="No keys yet."))


@app.command()
def revoke(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As `rpsd keys list` shows it.")],
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End a key at once."""
    with reached(load(config_file)) as here:
        here.revoke_key(identifier)
    answer({"id": identifier, "revoked": True}, as_json, f"revoked {identifier}")
