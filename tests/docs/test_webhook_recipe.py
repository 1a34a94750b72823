"""The recipe of the manual by which a receiver checks a webhook: it knows what rpsd signs, and nothing else."""

import re
from typing import Any

import pytest

from rpsd.source.webhook import signature
from tests.docs.pages import ROOT

SECRET = "0123456789abcdef" * 2
BODY = b'{"event":"raised"}'
NOW = 1_772_424_612


@pytest.fixture
def recipe() -> Any:
    """The function of the manual's one Python block on webhooks."""
    page = (ROOT / "rpsd" / "manual" / "alerts.md").read_text()
    [block] = re.findall(r"```python\n(.*?)```", page.partition("### The signature")[2], re.DOTALL)
    told: dict[str, Any] = {}
    exec(compile(block, "alerts.md", "exec"), told)  # the manual's own text
    return told["is_genuine"]


def test_what_rpsd_signs_is_genuine_within_the_window(recipe: Any) -> None:
    header = signature([SECRET], BODY, NOW)
    assert recipe(SECRET, header, BODY, now=NOW)
    assert recipe(SECRET, header, BODY, now=NOW + 299.0)
    assert recipe(SECRET, header, BODY, now=NOW - 299.0)
    assert not recipe(SECRET, header, BODY, now=NOW + 301.0)
    assert not recipe(SECRET, header, BODY)  # sent long ago


def test_while_a_secret_is_replaced_the_receiver_may_know_either(recipe: Any) -> None:
    header = signature(["new" * 11, SECRET], BODY, NOW)
    assert recipe(SECRET, header, BODY, now=NOW)
    assert recipe("new" * 11, header, BODY, now=NOW)
    assert not recipe("other" * 7, header, BODY, now=NOW)


@pytest.mark.parametrize("spoil", [
    lambda header: header.replace(f"t={NOW}", f"t={NOW + 1}"), lambda header: header[:-1] + ("0" if header[-1] != "0" else "1"),
    lambda header: header.partition(",")[2], lambda header: header.partition(",")[0], lambda header: header.replace("v1=", "v0="),
    lambda _: "", lambda _: "t=,v1=", lambda header: header.replace("t=", "t=-"), lambda header: header.upper(),
])  # fmt: skip
def test_nothing_else_is(recipe: Any, spoil: Any) -> None:
    header = signature([SECRET], BODY, NOW)
    assert not recipe(SECRET, spoil(header), BODY, now=NOW)
    assert not recipe(SECRET, header, BODY + b" ", now=NOW)
