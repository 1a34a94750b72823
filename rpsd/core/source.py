"""Market data from vendors in words: what a vendor can tell, what is asked of it, and where alerts go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from rpsd.core.market import SECOND_NS, Samples


@dataclass(frozen=True, slots=True)
class Ask:
    """Bars of one symbol, as the vendor writes it, that begin from start_ns to end_ns (ns UTC, inclusive). `key` is the vendor's."""

    symbol: str
    interval: str
    start_ns: int
    end_ns: int
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One GET."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, a body of bounded size, and its headers in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vendor:
    """A member of SOURCES. `request(url, ask)` words the question; `read(answer, ask)` is the table of bars, labelled by their open.

    `read` raises SourceFailed for an answer that is none, UnknownSeries when the vendor does not know the symbol. A vendor that
    answers with CSV as rpsd itself reads it has `plain` instead, which raises the same errors and returns the text.
    `page`: bars of one answer at most, None without such a limit. `reach`: by interval, how many days back the vendor tells at all.
    `calls` in `per_seconds`: what it bears. `needs_key`: nothing is told without one. `url` is empty when the operator must give it.
    """

    name: str
    summary: str
    source: str
    url: str
    intervals: tuple[str, ...]
    request: Callable[[str, Ask], Request]
    read: Callable[[Answer, Ask], Samples] | None = None
    plain: Callable[[Answer, Ask], bytes] | None = None
    page: int | None = None
    reach: Mapping[str, float] = field(default_factory=dict)
    calls: int = 60
    per_seconds: float = 60.0
    needs_key: bool = False


@dataclass(frozen=True, slots=True)
class SourceSetting:
    """One entry of the setting `sources`. `symbols` maps the vendor's symbols to ours; what is None follows the vendor.

    `history_seconds`: how far back the first fetch goes. `overlap`: bars fetched again each time, for a vendor that corrects them.
    `private`: the vendor and its redirects may be at private addresses. `tz` and `date_format` read the times of a CSV.
    """

    kind: str
    symbols: Mapping[str, str]
    interval: str = "1d"
    url: str = ""
    key_file: str = ""
    calls: int = 60
    per_seconds: float = 60.0
    history_seconds: float = 5 * 365 * 86_400.0
    overlap: int = 5
    timeout_seconds: float = 30.0
    retries: int = 3
    most_bytes: int = 32 << 20
    private: bool = False
    tz: str = ""
    date_format: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One entry of the setting `alerts.webhooks`.

    `secret_file`: what signs the messages, or the routing key of pagerduty; a bare name is a credential or a file of the secrets directory.
    `form` is one of FORMS. `private`: networks, not public, in which the receiver may live.
    """

    url: str = field(repr=False)
    timeout_seconds: float = 10.0
    secret_file: str = ""
    form: str = "generic"
    private: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """What one receiver is to be told: {"event", "alert", "service", "version", "sent"}. `delivery` is the same for each try of it.

    `receiver` is its name, such as `webhook:1`; `id` grows in the order in which the messages were queued.
    """

    id: int
    receiver: str
    delivery: str
    queued_ns: int
    told: Mapping[str, Any]


FORMS: Final = ("generic", "slack", "pagerduty")
"""Whose words a receiver understands."""


def seconds(ns: int) -> int:
    """Whole seconds since 1970."""
    return ns // SECOND_NS
