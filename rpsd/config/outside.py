"""Kinds of settings that speak of the outside: where market data come from, and where alerts go."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from rpsd.config import kinds
from rpsd.config.kinds import Kind, Rate, Unfit, shown
from rpsd.core import market
from rpsd.core.errors import BadDestination, BadTime, RpsdError
from rpsd.core.instant import zone
from rpsd.core.source import FORMS, Receiver, SourceSetting, Vendor

_NAME: Final = kinds.TEXT
_MOST_SYMBOLS: Final = 10_000
_MOST_RECEIVERS: Final = 20
_LONGEST_TIMEOUT: Final = 60.0


def _address(value: Any) -> str:
    """An http or https address with a host, and no password in it."""
    text = str(kinds.TEXT.parse(value))
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(c.isspace() for c in text):
        raise Unfit("expected an address such as https://host/path")
    if parts.username or parts.password:
        raise Unfit("an address does not hold a password; use key_file")
    return text


def _symbols(value: Any) -> Mapping[str, str]:
    """A list of symbols, or a mapping of the vendor's symbols to ours."""
    given = {str(item): str(item) for item in kinds.TEXTS.parse(value)} if not isinstance(value, dict) else value
    if not 1 <= len(given) <= _MOST_SYMBOLS:
        raise Unfit(f"symbols: expected 1 to {_MOST_SYMBOLS}, got {len(given)}")
    found = {}
    for theirs, ours in given.items():
        try:
            found[str(theirs)] = market.symbol(str(ours))
        except RpsdError as error:
            raise Unfit(f"symbols: {error.detail}; give a mapping of the vendor's symbols to ours") from error
    if len(set(found.values())) < len(found):
        raise Unfit("symbols: two of them are stored under one name")
    return found


def _zone_name(value: Any) -> str:
    text = str(kinds.TEXT.parse(value))
    try:
        zone(text)
    except BadTime as error:
        raise Unfit(error.detail) from error
    return text


_ENTRIES: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "symbols": ("symbols", _symbols),
    "interval": ("interval", kinds.word(*(name for name in market.INTERVALS if name != "tick")).parse),
    "url": ("url", _address),
    "key_file": ("key_file", lambda value: str(kinds.PATH.parse(value))),
    "rate_limit": ("rate", kinds.RATE.parse),
    "history": ("history_seconds", kinds.DURATION.parse),
    "overlap": ("overlap", kinds.integer(0, 1000).parse),
    "timeout": ("timeout_seconds", kinds.DURATION.parse),
    "retries": ("retries", kinds.integer(0, 10).parse),
    "max_bytes": ("most_bytes", kinds.SIZE.parse),
    "private": ("private", kinds.FLAG.parse),
    "tz": ("tz", _zone_name),
    "date_format": ("date_format", kinds.TEXT.parse),
}
"""What an entry of `sources` may say -> the attribute of SourceSetting and how it is read."""


def _sources(value: Any) -> Mapping[str, SourceSetting]:
    """Entries by name; `kind` names the vendor where the name itself does not."""
    given = kinds.MAPPING.parse(value)
    if not given:
        return {}
    from rpsd.source import SOURCES  # only who fetches loads the vendors

    found = {}
    for name, entry in given.items():
        if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum() or not name.isascii() or len(name) > 40:
            raise Unfit(f"{str(name)[:40]!r} is not a name of letters, digits, - and _")
        try:
            found[name] = _source(name, entry, {vendor.name: vendor for vendor in SOURCES})
        except Unfit as unfit:
            raise Unfit(f"{name}: {unfit}") from unfit
    return found


def _source(name: str, entry: Any, vendors: Mapping[str, Vendor]) -> SourceSetting:
    """One entry, with what it leaves open as the vendor has it."""
    if not isinstance(entry, dict):
        raise Unfit(f"expected settings such as symbols and interval, got {shown(entry)}")
    kind = str(entry.get("kind", name))
    if kind not in vendors:
        raise Unfit(f"expected kind to be one of {', '.join(vendors)}, got {kind[:40]!r}")
    if unknown := set(entry) - set(_ENTRIES) - {"kind"}:
        raise Unfit(f"{min(map(str, unknown))[:40]!r} is not known here; known are kind, {', '.join(_ENTRIES)}")
    chosen: dict[str, Any] = {}
    for word, written in entry.items():
        if word != "kind":
            attribute, parse = _ENTRIES[word]
            try:
                chosen[attribute] = parse(written)
            except Unfit as unfit:
                raise Unfit(f"{word}: {unfit}") from unfit
    vendor = vendors[kind]
    rate: Rate = chosen.pop("rate", Rate(vendor.calls, vendor.per_seconds))
    setting = SourceSetting(kind, chosen.pop("symbols", {}), calls=rate.count, per_seconds=rate.per_seconds, **chosen)
    _check(setting, vendor)
    return setting


def _check(setting: SourceSetting, vendor: Vendor) -> None:
    """Raise Unfit for what cannot be fetched."""
    if not setting.symbols:
        raise Unfit("symbols: expected at least one")
    if setting.interval not in vendor.intervals:
        raise Unfit(f"interval: {vendor.name} tells {', '.join(vendor.intervals)}, not {setting.interval}")
    if not (setting.url or vendor.url):
        raise Unfit("url: this kind needs an address")
    if vendor.needs_key and not setting.key_file:
        raise Unfit("key_file: this vendor needs a key; name a file that holds it")
    if setting.timeout_seconds < 1 or setting.most_bytes < 1024:
        raise Unfit("timeout is at least 1s and max_bytes at least 1KiB")


def _webhooks(value: Any) -> tuple[Receiver, ...]:
    """Addresses, or mappings with `url` and what else a receiver needs."""
    given = kinds.TEXTS.parse(value) if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise Unfit(f"expected a list of addresses, got {shown(value)}")
    if len(given) > _MOST_RECEIVERS:
        raise Unfit(f"expected {_MOST_RECEIVERS} or fewer, got {len(given)}")
    found, faults = [], []
    for number, item in enumerate(given, 1):
        try:
            found.append(_receiver(item))
        except Unfit as unfit:
            faults.append(f"webhook {number}: {unfit}")
    if faults:
        raise Unfit("; ".join(faults))
    return tuple(found)


_RECEIVER: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "url": ("url", lambda value: str(kinds.TEXT.parse(value))),
    "timeout": ("timeout_seconds", kinds.DURATION.parse),
    "secret_file": ("secret_file", lambda value: str(kinds.TEXT.parse(value))),
    "format": ("form", kinds.word(*FORMS).parse),
    "private": ("private", kinds.NETWORKS.parse),
}
"""What an entry of `alerts.webhooks` may say -> the attribute of Receiver and how it is read."""


def _receiver(item: Any) -> Receiver:
    """One entry, whose address may be called as far as that can be told without asking for its name."""
    written = {"url": item} if isinstance(item, str) else item
    if not isinstance(written, dict) or "url" not in written or set(written) - set(_RECEIVER):
        raise Unfit(f"expected an address, or a mapping with url and perhaps {', '.join(list(_RECEIVER)[1:])}")
    chosen: dict[str, Any] = {}
    for word, said in written.items():
        attribute, parse = _RECEIVER[word]
        try:
            chosen[attribute] = parse(said)
        except Unfit as unfit:
            raise Unfit(f"{word}: {unfit}") from unfit
    receiver = Receiver(**chosen)
    if not 1 <= receiver.timeout_seconds <= _LONGEST_TIMEOUT:
        raise Unfit(f"timeout: expected 1s to {_LONGEST_TIMEOUT:g}s")
    if receiver.form == "pagerduty" and not receiver.secret_file:
        raise Unfit("secret_file: pagerduty needs a file that holds the routing key")
    _check_receiver(receiver)
    return receiver


def _check_receiver(receiver: Receiver) -> None:
    """Raise Unfit for an address that would never be called."""
    from rpsd.source.destination import GRANTABLE, parse, pin  # only who has receivers rules on addresses

    for network in receiver.private:
        if not any(network.version == one.version and network.subnet_of(one) for one in GRANTABLE):  # type: ignore[arg-type]
            raise Unfit(f"private: {network} is not a private network; name one such as 192.168.1.0/24")
    try:
        place = parse(receiver.url)
        if place.literal is not None:
            pin(place, receiver.private)
        elif place.scheme == "http" and not receiver.private:
            raise Unfit("url: http is for receivers in a network listed as private; use https")
    except BadDestination as error:
        raise Unfit(f"url: {error.detail}; {error.advice}") from error


SOURCES: Final = Kind("a mapping of sources", _sources)
WEBHOOKS: Final = Kind("a list of webhooks", _webhooks)
