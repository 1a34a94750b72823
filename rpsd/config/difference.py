"""What a change of the settings comes to, setting by setting, in a form that may be kept: no secret is in it."""

from typing import NamedTuple

from rpsd.config.render import explain
from rpsd.config.settings import Settings

_LONGEST = 200  # characters of a value: a list of networks can be long, and the row of the audit log stays


class Change(NamedTuple):
    """One setting that differs: dotted name, and the values as people write them; those that may be secret say `(set)`."""

    name: str
    before: str
    after: str


def changes(before: Settings, after: Settings, names: tuple[str, ...]) -> list[Change]:
    """The named settings with their values on both sides, in the order of settings.py."""
    wanted = set(names)
    rows = zip(explain(before), explain(after), strict=True)
    return [Change(old.name, _cut(old.text), _cut(new.text)) for old, new in rows if old.name in wanted]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
