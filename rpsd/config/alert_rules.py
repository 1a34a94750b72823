"""The setting `alerts.rules`: the default rules, and rules of the operator's own in a small grammar over the metrics."""

import re
from collections.abc import Mapping
from typing import Any, Final

from rpsd.config import kinds
from rpsd.config.kinds import Kind, Unfit, shown
from rpsd.core.alert_rule import NOW, OVER, AlertRule, Condition, Match, Selector
from rpsd.core.regime import SEVERITIES

DEFAULT: Final = "default"
_MOST_RULES: Final = 200
_MOST_LETTERS: Final = 1000
"""Of a condition, and of the sentence that is said: both are read at every look, and stored with every alert."""
_MOST_WINDOWS: Final = 100
_LONGEST_SECONDS: Final = 7 * 86_400.0
_WINDOW_SECONDS: Final = 300.0
"""What a function of a window looks at where the rule does not say."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,47}")
_SELECTOR: Final = r'[a-zA-Z_]\w*(?:\{(?:[^{}"]|"[^"]*")*\})?'
_WHEN: Final = re.compile(
    rf"(?P<function>[a-z]\w*)\(\s*(?P<part>{_SELECTOR})\s*(?:/\s*(?P<whole>{_SELECTOR})\s*)?\)"
    r"\s*(?P<sign>[<>])\s*(?P<limit>-?[\d.]{1,15})\s*(?P<unit>%|[a-z]*)"
    r"(?:\s+for\s+(?:(?P<windows>\d{1,3})\s+windows?\s+of\s+)?(?P<window>[\d.]{1,15}\s*[a-z]+))?",
    re.ASCII,
)
_LABEL: Final = re.compile(r'\s*(?P<label>[a-z_]\w*)\s*(?P<sign>!?=)\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^,"\s]+))\s*')


def parse_condition(text: str) -> Condition:
    """What the text asks of the metrics. Raises Unfit with what was expected; the name of a metric is checked elsewhere.

    >>> found = parse_condition("p99(rpsd_http_request_duration_seconds) > 100ms for 2 windows of 5m")
    >>> found.function, found.limit, found.windows, found.window_seconds
    ('p99', 0.1, 2, 300.0)
    """
    if (match := _WHEN.fullmatch(text.strip())) is None:
        raise Unfit(f"when: expected such as `max(rpsd_disk_used_ratio) > 90% for 5m`, got {text[:80]!r}")
    function = match["function"]
    if function not in NOW + OVER:
        raise Unfit(f"when: expected one of {', '.join(NOW + OVER)}, got {function[:20]!r}")
    if (function == "ratio") is (match["whole"] is None):
        raise Unfit("when: ratio, and it alone, takes two metrics: ratio(failed / all)")
    windows, window_seconds = int(match["windows"] or 1), 0.0 if function in NOW else _WINDOW_SECONDS
    if match["window"] is not None:
        window_seconds = float(kinds.DURATION.parse(match["window"]))
    if not 1 <= windows <= _MOST_WINDOWS or windows * window_seconds > _LONGEST_SECONDS:
        raise Unfit(f"when: expected 1 to {_MOST_WINDOWS} windows of 7d together at most")
    if function in OVER and window_seconds < 60:
        raise Unfit("when: expected a window of 60s or more; the metrics are looked at every 15 s")
    whole = None if match["whole"] is None else _selector(match["whole"])
    limit = _amount(match["limit"], match["unit"])
    return Condition(text.strip(), function, _selector(match["part"]), match["sign"] == ">", limit, windows, window_seconds, whole)


def _amount(number: str, unit: str) -> float:
    """A bare number, a percentage, or a duration in seconds."""
    try:
        value = float(number)
    except ValueError as error:
        raise Unfit(f"when: {number[:20]!r} is not a number") from error
    if unit == "%":
        return value / 100
    return float(kinds.DURATION.parse(f"{number}{unit}")) if unit else value


def _selector(text: str) -> Selector:
    """A metric, with what its labels must be in braces."""
    metric, _, inside = text.partition("{")
    matches, place, body = [], 0, inside[:-1]
    while place < len(body):
        if (found := _LABEL.match(body, place)) is None or (found.end() < len(body) and body[found.end()] != ","):
            raise Unfit(f"when: expected such as status=5*, route!=/metrics in the braces, got {body[place : place + 40]!r}")
        choices = (found["quoted"] if found["quoted"] is not None else found["bare"]).split("|")
        matches.append(Match(found["label"], tuple(choices), found["sign"] == "!="))
        place = found.end() + 1
    return Selector(metric, tuple(matches))


def _rules(value: Any) -> str | tuple[str | AlertRule, ...]:
    """The word `default`, or rules in their order; the word among them stands for all the default ones."""
    if value == DEFAULT:
        return DEFAULT
    if not isinstance(value, list | tuple) or len(value) > _MOST_RULES:
        raise Unfit(f"expected default, or a list of at most {_MOST_RULES} rules, got {shown(value)}")
    found: list[str | AlertRule] = []
    for number, item in enumerate(value, 1):
        try:
            found.append(DEFAULT if item == DEFAULT else _rule(item))
        except Unfit as unfit:
            raise Unfit(f"rule {number}: {unfit}") from unfit
    names = [rule.name for rule in found if isinstance(rule, AlertRule)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Unfit(f"two rules are named {min(twice)}")
    return tuple(found)


_SAID: Final = ("name", "when", "severity", "detail", "least")


def _rule(item: Any) -> AlertRule:
    """One entry: {name, when} and perhaps severity, detail, least."""
    if not isinstance(item, Mapping) or not {"name", "when"} <= set(item) <= set(_SAID):
        raise Unfit(f"expected a mapping with name, when, and perhaps {', '.join(_SAID[2:])}")
    name = str(item["name"])
    if not _NAME.fullmatch(name):
        raise Unfit(f"name: expected a name such as slow_predictions, got {name[:60]!r}")
    condition = parse_condition(_line("when", item["when"]))
    _check(condition)
    severity = kinds.word(*SEVERITIES[1:]).parse(item.get("severity", "MEDIUM"))
    detail = _line("detail", item["detail"]) if item.get("detail") else f"{condition.text}: it is {{value}}."
    return AlertRule(name, "rule", name, severity, condition, detail, kinds.integer(0, 1_000_000).parse(item.get("least", 20)))


def _line(word: str, value: Any) -> str:
    """A text of one line and of bounded length."""
    text = str(kinds.TEXT.parse(value)).strip()
    if len(text) > _MOST_LETTERS or not text.isprintable():
        raise Unfit(f"{word}: expected a line of at most {_MOST_LETTERS} letters")
    return text


def _check(condition: Condition) -> None:
    """Raise Unfit for a metric or label that rpsd does not have, or a function that the metric does not bear."""
    from rpsd.telemetry.metrics import Metrics  # only who writes rules of his own needs the list

    known = {described.name: described for described in Metrics().described()}
    for selector in (condition.part, *([condition.whole] if condition.whole else [])):
        if (described := known.get(selector.metric)) is None:
            raise Unfit(f"when: rpsd has no metric {selector.metric[:60]}; the manual's page on metrics lists them")
        for match in selector.matches:
            if match.label not in described.labels:
                labels = ", ".join(described.labels) or "none"
                raise Unfit(f"when: {selector.metric} has no label {match.label[:40]}; it has {labels}")
        if (described.type == "histogram") is not condition.function.startswith("p"):
            wanted = "p50, p90, p95 or p99" if described.type == "histogram" else "a function such as max or rate"
            raise Unfit(f"when: {selector.metric} is a {described.type}: use {wanted}")
        if condition.function in ("rate", "ratio") and described.type != "counter":
            raise Unfit(f"when: {selector.metric} is a {described.type}: {condition.function} is of counters")


ALERT_RULES: Final = Kind("default or a list of rules", _rules)
