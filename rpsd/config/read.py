"""Settings from defaults, file, environment and flags; every fault is collected before anything is said."""

import dataclasses
import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from rpsd.config.difference import Change, changes
from rpsd.config.document import Placed, load, plain, scalar
from rpsd.config.entries import Entry, entries, sections, value
from rpsd.config.kinds import Unfit
from rpsd.config.settings import Settings
from rpsd.core.errors import BadConfig, Fault, RpsdError

CLASSIC = MappingProxyType(
    {
        "RPSD_DATA_DIR": "storage.data_dir",
        "RPSD_LOG_LEVEL": "monitoring.log_level",
        "RPSD_CACHE_DIR": "storage.cache_dir",
        "RPSD_MAX_WORKERS": "performance.max_workers",
        "RPSD_CHUNK_SIZE": "performance.chunk_size",
        "RPSD_METRICS_PORT": "monitoring.metrics_port",
        "RPSD_HEALTH_CHECK_INTERVAL": "monitoring.health_check_interval",
    }
)
"""Names that earlier systems read, and the settings they mean."""

SEARCH = (Path("/etc/rpsd/config.yaml"), Path("~/.rpsd/config.yaml"))
BELOW_DATA = MappingProxyType(
    {
        "storage.cache_dir": "cache",
        "storage.secrets_dir": "secrets",
        "server.admin_socket": "admin.sock",
        "server.outbound_socket": "outbound.sock",
        "inbox.dir": "inbox",
        "backup.dir": "backups",
    }
)
"""What moves below storage.data_dir when that alone is set."""


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """A written value with its origin in words, e.g. `environment RPSD_LOG_LEVEL`."""

    value: Any
    origin: str


class _Gathering:
    """Written values by dotted name, later ones over earlier, and the faults met on the way."""

    def __init__(self) -> None:
        self.known: dict[str, Entry] = {entry.name: entry for entry in entries()}
        self.sections = {name for name, _, _ in sections()}
        self.given: dict[str, Given] = {}
        self.faults: list[Fault] = []

    def file(self, placed: Placed, prefix: str = "") -> None:
        """Take every value of the document."""
        for key, child in placed.value.items():
            name = f"{prefix}{key}"
            if name in self.known:
                self.given[name] = Given(plain(child), child.place)
            elif name not in self.sections:
                self.faults.append(Fault(child.place, f"{name}: unknown setting{self._suggestion(name)}"))
            elif isinstance(child.value, dict):
                self.file(child, f"{name}.")
            elif child.value is not None:
                self.faults.append(Fault(child.place, f"{name}: expected settings below it, got a value"))

    def environment(self, environ: Mapping[str, str]) -> None:
        """Take the classic names, then RPSD_<SECTION>__<KEY> over them."""
        for variable, name in CLASSIC.items():
            if variable in environ:
                self._text(name, environ[variable], f"environment {variable}")
        for variable in sorted(environ):
            if not variable.startswith("RPSD_") or variable in CLASSIC:
                continue
            name = variable.removeprefix("RPSD_").lower().replace("__", ".")
            if name in self.known:
                self._text(name, environ[variable], f"environment {variable}")
            elif "__" in variable:
                self.faults.append(Fault(f"environment {variable}", f"{name}: unknown setting{self._suggestion(name)}"))
            elif close := difflib.get_close_matches(variable, CLASSIC, 1, 0.85):
                self.faults.append(Fault(f"environment {variable}", f"unknown name; did you mean {close[0]}?"))

    def flags(self, flags: Mapping[str, Any]) -> None:
        """Take dotted names from the command line; None means not given."""
        for name, written in flags.items():
            option = f"flag --{name.rpartition('.')[2].replace('_', '-')}"
            if name not in self.known:
                self.faults.append(Fault(option, f"{name}: unknown setting{self._suggestion(name)}"))
            elif written is not None:
                self._text(name, written, option)

    def _text(self, name: str, written: Any, origin: str) -> None:
        verbatim = self.known[name].kind.verbatim or not isinstance(written, str)
        self.given[name] = Given(str(written) if isinstance(written, Path) else written if verbatim else scalar(written), origin)

    def _suggestion(self, name: str) -> str:
        """A likely meaning: the same key of another section, else the nearest name."""
        last = name.rpartition(".")[2]
        same = [known for known in self.known if known.rpartition(".")[2] == last]
        close = same or difflib.get_close_matches(name, [*self.known, *self.sections], 1, 0.6)
        return f"; did you mean {close[0]}?" if close else ""

    def parsed(self) -> dict[str, Any]:
        """Values by dotted name; what does not fit becomes a fault."""
        found = {}
        for name, given in self.given.items():
            try:
                found[name] = self.known[name].kind.parse(given.value)
            except Unfit as unfit:
                self.faults.append(Fault(given.origin, f"{name}: {unfit}"))
        return found


def _follow(values: dict[str, Any], origin: dict[str, str]) -> None:
    """Give what follows another setting its value, unless it was set itself."""
    if "storage.data_dir" in values:
        for name, below in BELOW_DATA.items():
            if name not in values:
                values[name] = values["storage.data_dir"] / below
                origin[name] = "follows storage.data_dir"
    if "server.port" in values and "monitoring.metrics_port" not in values:
        values["monitoring.metrics_port"] = values["server.port"]
        origin["monitoring.metrics_port"] = "follows server.port"


def _build(cls: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """An instance of the section with the given values over its defaults."""
    hints = get_type_hints(cls)
    chosen = {}
    for f in dataclasses.fields(cls):
        name = f"{prefix}{f.name}"
        if dataclasses.is_dataclass(hints[f.name]) and any(known.startswith(f"{name}.") for known in values):
            chosen[f.name] = _build(hints[f.name], values, f"{name}.")
        if name in values:
            chosen[f.name] = values[name]
    return cls(**chosen)


def locate(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the given one, RPSD_CONFIG, or the first of SEARCH that exists; None when there is none."""
    if path is not None:
        return path
    if named := environ.get("RPSD_CONFIG"):
        return Path(named)
    home = environ.get("HOME")
    found = [candidate if home is None else Path(str(candidate).replace("~", home, 1)) for candidate in SEARCH]
    return next((candidate for candidate in found if candidate.is_file()), None)


def read(path: Path | None = None, environ: Mapping[str, str] = os.environ, flags: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """The effective settings: defaults < file < environment < flags (dotted names).

    Raises BadConfig with one Fault per bad place, UnknownFile when the named file cannot be opened.
    """
    gathering = _Gathering()
    source = locate(path, environ)
    if source is not None:
        try:
            document, faults = load(source)
        except BadConfig as error:
            gathering.faults.extend(error.errors)
        else:
            gathering.faults.extend(faults)
            gathering.file(document)
    gathering.environment(environ)
    gathering.flags(flags)
    values = gathering.parsed()
    if gathering.faults:
        raise refused(gathering.faults)
    origin = {name: given.origin for name, given in gathering.given.items()}
    _follow(values, origin)
    settings: Settings = _build(Settings, values)
    return dataclasses.replace(settings, path=source, origin=MappingProxyType(origin))


def refused(faults: list[Fault]) -> BadConfig:
    """All faults as one error; the detail names the first."""
    first = f"{faults[0].pointer}: {faults[0].reason}"
    return BadConfig(first if len(faults) == 1 else f"{first} (and {len(faults) - 1} more)", errors=faults)


@dataclasses.dataclass(frozen=True, slots=True)
class Reload:
    """How a reload went: the settings to use from now on, what changed at once, what waits for a restart, and old and new values."""

    settings: Settings
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    error: RpsdError | None = None
    changes: tuple[Change, ...] = ()


def reload(current: Settings, environ: Mapping[str, str] = os.environ, flags: Mapping[str, Any] = MappingProxyType({})) -> Reload:
    """Read the same file again: live settings are taken over, others wait; a broken file keeps `current` and comes back as `error`."""
    try:
        fresh = read(current.path, environ, flags)
    except RpsdError as error:
        return Reload(current, (), (), error)
    changed = [entry for entry in entries() if value(fresh, entry.name) != value(current, entry.name)]
    live = {entry.name: value(fresh, entry.name) for entry in changed if entry.live}
    settings = _replaced(current, live)
    origin = {**current.origin, **{name: fresh.origin.get(name, "default") for name in live}}
    settings = dataclasses.replace(settings, origin=MappingProxyType(origin))
    names = tuple(entry.name for entry in changed)
    told = tuple(changes(current, fresh, names))
    return Reload(settings, tuple(live), tuple(name for name in names if name not in live), changes=told)


def _replaced(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with some values exchanged."""
    for name, new in values.items():
        head, _, key = name.rpartition(".")
        part = dataclasses.replace(value(settings, head), **{key: new})
        while head:
            head, _, key = head.rpartition(".")
            part = dataclasses.replace(value(settings, head) if head else settings, **{key: part})
        settings = part
    return settings
