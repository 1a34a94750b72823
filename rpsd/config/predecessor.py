"""The environment files of the systems that rpsd replaces: what each of their names means here, or why it means nothing."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rpsd.config.entries import entries
from rpsd.config.kinds import Unfit
from rpsd.core.errors import Fault, InvalidRequest

MAPPED: Final = "mapped"
SECRET: Final = "secret"  # noqa: S105 - the word for it, not one
SUPERSEDED: Final = "superseded"
UNKNOWN: Final = "unknown"
KEYS_FILE: Final = "adopted.keys"
"""Their API keys, one a line, as `rpsd keys adopt` reads them."""
VENDOR_KEY_FILE: Final = "alpha_vantage.key"
_MOST_BYTES: Final = 1 << 16
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_LEVELS: Final = MappingProxyType({"WARN": "WARNING", "FATAL": "CRITICAL"})
_FLAGS: Final = MappingProxyType({"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False})


@dataclass(frozen=True, slots=True)
class Name:
    """One of their names: MAPPED to `setting`, a SECRET that goes to `file` if it is taken over, or SUPERSEDED; `why` in words."""

    name: str
    fate: str
    setting: str = ""
    why: str = ""
    read: Callable[[str], Any] = str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an environment file becomes: settings as written by dotted name, secrets by file name, and a row for each name."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    sources: Mapping[str, Mapping[str, str]]
    rows: tuple[Mapping[str, str], ...]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Unfit("expected a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise Unfit("expected true or false")
    return _FLAGS[text.lower()]


def _level(text: str) -> str:
    return _LEVELS.get(text.upper(), text.upper())


def _list(text: str) -> list[str]:
    """Items with commas between them, or a JSON list of texts."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise Unfit("expected a list of texts")
        return list(dict.fromkeys(found))
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _hosts(text: str) -> list[str]:
    hosts = _list(text)
    if "*" in hosts:
        raise Unfit("* lets every host in; name the hosts")
    return hosts


NAMES: Final[tuple[Name, ...]] = (
    Name("ENVIRONMENT", SUPERSEDED, why="there is one way to run; nothing is laxer in development"),
    Name("DEBUG", SUPERSEDED, why="monitoring.log_level decides what is logged; answers never show causes"),
    Name("LOG_LEVEL", MAPPED, "monitoring.log_level", read=_level),
    Name("YFINANCE_RATE_LIMIT", MAPPED, "sources.yahoo.rate_limit", "calls a minute", lambda text: f"{_whole(text)}/min"),
    Name("ALPHA_VANTAGE_API_KEY", SECRET, "sources.alpha_vantage.key_file", file=VENDOR_KEY_FILE),
    Name("CACHE_TTL_SECONDS", MAPPED, "performance.cache_ttl", "seconds", lambda text: f"{_whole(text)}s"),
    Name("DEFAULT_REGIME_TYPE", MAPPED, "regimes.default_regime_type"),
    Name("MODEL_RETRAIN_INTERVAL_HOURS", MAPPED, "regimes.retrain_interval", "hours", lambda text: f"{_whole(text)}h"),
    Name("MAX_MODEL_AGE_DAYS", MAPPED, "regimes.max_model_age", "days", lambda text: f"{_whole(text)}d"),
    Name("DATABASE_URL", SUPERSEDED, why="the database is a file below storage.data_dir; its password is not copied"),
    Name("REDIS_URL", SUPERSEDED, why="the cache lies in the process; performance.cache_size bounds it"),
    Name("PROMETHEUS_PORT", SUPERSEDED, why="/metrics is answered on server.port; monitoring.metrics_port opens another"),
    Name("GRAFANA_PORT", SUPERSEDED, why="Grafana is not part of rpsd; etc/grafana holds a dashboard for yours"),
    Name("ALERT_WEBHOOK_URL", MAPPED, "alerts.webhooks", read=lambda text: [text]),
    Name("SECRET_KEY", SECRET, why="not taken over: rpsd makes its pepper and signing keys itself, at random"),
    Name("API_KEY_REQUIRED", MAPPED, "auth.required", read=_flag),
    Name("ALLOWED_HOSTS", MAPPED, "server.allowed_hosts", read=_hosts),
    Name("VALID_API_KEYS", SECRET, why="for `rpsd keys adopt`", file=KEYS_FILE),
    Name("API_SECRET_KEY", SECRET, why="for `rpsd keys adopt`", file=KEYS_FILE),
    Name("PORT", MAPPED, "server.port", read=_whole),
    Name("WORKERS", SUPERSEDED, why="one process serves; performance.max_workers counts processes for fits"),
    Name("DRIFT_INTERVAL_SECONDS", MAPPED, "drift.interval", "seconds", lambda text: f"{_whole(text)}s"),
    Name("DEFAULT_FEATURE_VIEW", MAPPED, "features.default_view"),
    Name("JWT_SECRET", SECRET, why="not taken over: rpsd makes its signing keys itself; tokens of old are asked for anew"),
    Name("ALLOWED_ORIGINS", MAPPED, "server.cors_origins", read=_list),
    Name("TRUSTED_HOSTS", MAPPED, "server.allowed_hosts", read=_hosts),
)
"""Every name that their documents know, in the order of those documents."""


@dataclass(slots=True)
class _Gathering:
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: list[Mapping[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def tell(self, known: Name, detail: str) -> None:
        self.rows.append({"name": known.name, "fate": known.fate, "setting": known.setting, "detail": detail})

    def take(self, known: Name, text: str) -> None:
        """Put one value where it belongs. Raises Unfit."""
        if known.fate == SUPERSEDED or (known.fate == SECRET and not known.file):
            self.tell(known, known.why)
        elif not text:
            self.tell(known, "empty: nothing to take over")
        elif known.fate == SECRET:
            self.secrets.setdefault(known.file, []).extend(_list(text) if known.file == KEYS_FILE else [text])
            if known.setting:
                self._source(known.setting, known.file)
            self.tell(known, f"in the file {known.file}{', ' + known.why if known.why else ''}")
        elif known.setting.startswith("sources."):
            self._source(known.setting, known.read(text))
            self.tell(known, "stands in a comment: a source also needs symbols")
        else:
            self._setting(known, text)

    def _setting(self, known: Name, text: str) -> None:
        written, held = known.read(text), self.settings.get(known.setting)
        if isinstance(written, list) and isinstance(held, list):  # two of their names may mean one list
            written = list(dict.fromkeys([*held, *written]))
        next(entry for entry in entries() if entry.name == known.setting).kind.parse(written)
        self.settings[known.setting] = written
        self.tell(known, known.why)

    def _source(self, setting: str, written: str) -> None:
        _, source, key = setting.split(".")
        self.sources.setdefault(source, {})[key] = written


def import_env(text: str, source: str) -> Imported:
    """Read `NAME=value` lines as their systems did: comments, quotes and `export` are allowed, the last of two equal names counts.

    Raises InvalidRequest with every line that cannot be taken over; values never stand in the message.
    """
    if len(text) > _MOST_BYTES or "\0" in text:
        raise InvalidRequest(f"{source} is not an environment file")
    known, gathering = {name.name: name for name in NAMES}, _Gathering()
    for name, (value, place) in _lines(text, source, gathering.faults).items():
        if name not in known:
            row = {"name": name, "fate": UNKNOWN, "setting": "", "detail": "no name of the systems that rpsd replaces"}
            gathering.rows.append(row)
            continue
        try:
            gathering.take(known[name], value)
        except Unfit as unfit:
            gathering.faults.append(Fault(place, f"{name}: {str(unfit).partition(', got ')[0]}"))  # what was got may be a secret
    if gathering.faults:
        first = gathering.faults[0]
        raise InvalidRequest(
            f"{first.pointer}: {first.reason}",
            errors=gathering.faults,
            hint="Mend the lines, or take them out and set what they mean by hand.",
        )
    secrets = {name: "".join(f"{one}\n" for one in dict.fromkeys(held)) for name, held in gathering.secrets.items()}
    return Imported(gathering.settings, secrets, gathering.sources, tuple(gathering.rows))


def _lines(text: str, source: str, faults: list[Fault]) -> dict[str, tuple[str, str]]:
    """Value and place by name."""
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):  # what else ends a line for Python ends none for them
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            faults.append(Fault(f"{source}:{number}", "expected NAME=value"))
            continue
        found[match[1]] = (_unquoted(match[2]), f"{source}:{number}")
    return found


def _unquoted(text: str) -> str:
    """The value without its quotes, or without the comment behind it.

    >>> _unquoted("'a # b'"), _unquoted("a # b"), _unquoted('"x" # y')
    ('a # b', 'a', 'x')
    """
    if text[:1] in ("'", '"') and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def written(imported: Imported, source: str, secrets_dir: Path) -> str:
    """The settings file in YAML, with the secrets in files of secrets_dir; what cannot stand by itself is a comment."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in source)  # a line feed would end the comment
    lines = [f"# Settings taken over from {shown}; `rpsd config check` reads them, `rpsd config defaults` prints all there are."]
    sections = list(dict.fromkeys(name.partition(".")[0] for name in imported.settings))
    for section in sections:
        lines.append(f"{section}:")
        for name, value in imported.settings.items():
            head, _, key = name.partition(".")
            if head == section:
                lines.append(f"  {key}: {json.dumps(value, ensure_ascii=False)}")
    if imported.sources:
        lines += ["# A source also needs the symbols that it shall fetch; then take out the marks.", "# sources:"]
    for name, held in imported.sources.items():
        said = {key: str(secrets_dir / value) if key == "key_file" else value for key, value in held.items()}
        parts = ", ".join(f"{key}: {json.dumps(value)}" for key, value in said.items())
        lines.append(f"#   {name}: {{symbols: [AAPL], interval: 1d, {parts}}}")
    return "\n".join(lines) + "\n"


def migrated(text: str, source: str) -> tuple[str, tuple[str, ...]]:
    """A settings file of theirs with the method and the policy of guardrails that it silently meant, and the settings that were added.

    What stands in the file already stays, comments too. Raises BadConfig.
    """
    from rpsd.config.document import parse, plain
    from rpsd.config.rewrite import rewritten

    added = []
    for section, key, value in (("denoiser", "method", "wavelet"), ("guardrails", "policy", "classic")):
        held = plain(parse(text, source)[0]).get(section) or {}
        if not isinstance(held, dict) or key not in held:
            text = rewritten(text, section, {key: value}, source)
            added.append(f"{section}.{key}: {value}")
    return text, tuple(added)
