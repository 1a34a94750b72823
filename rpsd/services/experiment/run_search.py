"""The language of searches over runs: metrics.auc > 0.7 and params.l2 = '0.1' and not tags.x = 'y', made a condition of the store."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.errors import BadTime, Fault, InvalidRequest
from rpsd.core.experiment import RunState

LONGEST: Final = 4000
_MOST_TERMS: Final = 50
_MOST_KEYS: Final = 5
_DEEPEST: Final = 16
_TOKEN: Final = re.compile(
    r"""(?:(?P<open>\()|(?P<close>\))|(?P<comma>,)|(?P<op><=|>=|!=|<>|=|<|>)|(?P<text>'(?:[^']|'')*')|(?P<quoted>"[^"]*"|`[^`]*`)
    |(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))|(?P<word>[A-Za-z_][\w\-/]*)|(?P<dot>\.))""",
    re.VERBOSE,
)
_KINDS: Final = {
    "metrics": "metrics",
    "metric": "metrics",
    "params": "params",
    "param": "params",
    "parameters": "params",
    "tags": "tags",
    "tag": "tags",
}
_TABLES: Final = {"metrics": "run_metric", "params": "run_param", "tags": "run_tag"}
_ATTRIBUTES: Final = {
    "id": "run.id",
    "run_id": "run.id",
    "name": "run.name",
    "state": "run.state",
    "status": "run.state",
    "owner": "run.owner",
    "parent": "run.parent",
    "model": "run.model",
    "started": "run.started_ns",
    "finished": "run.finished_ns",
    "experiment": "experiment.name",
}
_TIMES: Final = ("started", "finished")
_FARTHEST_NS: Final = 2**63
_ORDERED: Final = ("<", "<=", ">", ">=")


@dataclass(slots=True)
class Condition:
    """A condition in SQL whose values are bound apart."""

    sql: str
    values: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def condition(text: str, where: str = "/query/filter") -> Condition:
    """The condition that a filter says; an empty filter holds for every run.

    A run that lacks the metric, parameter or tag of a comparison does not meet it, whatever the comparison. Raises InvalidRequest with the
    place in the text.
    """
    if len(text) > LONGEST:
        raise _fault(where, f"longer than {LONGEST} characters")
    if not text.strip():
        return Condition("1")
    parser = _Parser(_tokens(text, where), where)
    found = parser.either(0)
    parser.end()
    return found


def ordering(text: str, where: str = "/query/order_by") -> Condition:
    """The order that `metrics.auc desc, started` says; runs that lack the value come last, among equals the newest first.

    Raises InvalidRequest.
    """
    if len(text) > LONGEST:
        raise _fault(where, f"longer than {LONGEST} characters")
    built = Condition("")
    parser = _Parser(_tokens(text, where), where)
    terms: list[str] = []
    while parser.rest():
        column, values, _ = parser.column()
        direction = parser.word("asc", "desc") or "asc"
        terms += [f"({column}) IS NULL", f"({column}) {direction}"]
        built.values += [*values, *values]
        if len(terms) > 2 * _MOST_KEYS:
            raise _fault(where, f"more than {_MOST_KEYS} keys")
        if parser.rest() and not parser.take("comma"):
            parser.end()
    built.sql = ", ".join([*terms, "run.seq DESC"])
    return built


def _tokens(text: str, where: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _fault(where, f"cannot be read from character {at + 1}: {text[at : at + 20]!r}")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], at))
        at = match.end()
    return tokens


def _fault(where: str, reason: str) -> InvalidRequest:
    hint = "For example metrics.auc > 0.7 and params.l2 = '0.1' and state = 'FINISHED'; order_by: metrics.auc desc, started."
    return InvalidRequest(f"{where}: {reason}", errors=[Fault(where, reason)], hint=hint)


class _Parser:
    """Recursive descent over the tokens: or, and, not, a comparison or a parenthesis."""

    def __init__(self, tokens: Sequence[_Token], where: str) -> None:
        self._tokens, self._where, self._at, self._terms = tokens, where, 0, 0

    def rest(self) -> bool:
        """Whether there is more to read."""
        return self._at < len(self._tokens)

    def end(self) -> None:
        """Raise InvalidRequest unless all has been read."""
        if self.rest():
            raise self._unexpected("the end")

    def take(self, kind: str) -> _Token | None:
        """The next token if it is of the kind."""
        if self.rest() and self._tokens[self._at].kind == kind:
            self._at += 1
            return self._tokens[self._at - 1]
        return None

    def word(self, *words: str) -> str | None:
        """The next token if it is one of the words, in small letters."""
        if self.rest() and self._tokens[self._at].kind == "word" and (said := self._tokens[self._at].text.lower()) in words:
            self._at += 1
            return said
        return None

    def either(self, depth: int) -> Condition:
        """Conditions joined by or."""
        return self._joined("or", depth, self._both)

    def _both(self, depth: int) -> Condition:
        return self._joined("and", depth, self._one)

    def _joined(self, word: str, depth: int, inner: Any) -> Condition:
        parts = [inner(depth)]
        while self.word(word):
            parts.append(inner(depth))
        if len(parts) == 1:
            only: Condition = parts[0]
            return only
        return Condition(f" {word.upper()} ".join(f"({part.sql})" for part in parts), [value for part in parts for value in part.values])

    def _one(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise _fault(self._where, f"nests deeper than {_DEEPEST} parentheses")
        if self.word("not"):
            inner = self._one(depth + 1)
            return Condition(f"NOT ({inner.sql})", inner.values)
        if self.take("open"):
            inner = self.either(depth + 1)
            if not self.take("close"):
                raise self._unexpected("a closing parenthesis")
            return inner
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise _fault(self._where, f"more than {_MOST_TERMS} comparisons")
        return self._comparison()

    def column(self) -> tuple[str, list[Any], str]:
        """What is compared: an expression, the values bound in it, and its name. Raises InvalidRequest."""
        start = self.take("word")
        if start is None:
            raise self._unexpected("metrics.…, params.…, tags.… or an attribute")
        kind = start.text.lower()
        if kind in ("attributes", "attribute", "run") and self.take("dot"):
            start = self.take("word") or start
            kind = start.text.lower()
        if kind in _KINDS and self.take("dot"):
            kind, name = _KINDS[kind], self._name()
            value = "m.value" if kind == "metrics" else "p.value"
            table = _TABLES[kind]
            told = f"SELECT {value} FROM {table} AS {value[0]} WHERE {value[0]}.run = run.seq AND {value[0]}.name = ?"  # noqa: S608
            return told, [name], kind
        if kind not in _ATTRIBUTES:
            known = ", ".join(_ATTRIBUTES)
            raise _fault(self._where, f"there is no {start.text[:40]!r}; there are metrics.…, params.…, tags.…, {known}")
        return _ATTRIBUTES[kind], [], kind

    def _name(self) -> str:
        """The name after the dot: in quotes, or words and numbers joined by dots."""
        if quoted := self.take("quoted"):
            return quoted.text[1:-1]
        parts = []
        while piece := self.take("word") or self.take("number"):
            parts.append(piece.text)
            if not self.take("dot"):
                break
        if not parts:
            raise self._unexpected("a name")
        return ".".join(parts)

    def _comparison(self) -> Condition:
        column, values, kind = self.column()
        if operator := self.take("op"):
            sign = "<>" if operator.text in ("!=", "<>") else operator.text
            return self._compared(column, values, kind, sign)
        negated = bool(self.word("not"))
        no = "NOT " if negated else ""
        if self.word("like"):
            value = self._text(kind)
            return Condition(f"({column}) {no}LIKE ?", [*values, value])
        if self.word("in"):
            return self._among(column, values, kind, no)
        raise self._unexpected("a comparison: =, !=, <, <=, >, >=, like, in")

    def _compared(self, column: str, values: list[Any], kind: str, sign: str) -> Condition:
        token = self.take("number") or self.take("text")
        if token is None:
            raise self._unexpected("a number, or a text in single quotes")
        if token.kind == "number":
            if kind == "metrics":
                return Condition(f"({column}) {sign} ?", [*values, float(token.text)])
            if kind == "params":  # by its number: only parameters that read as one can meet it
                return Condition(f"({column.replace('p.value', 'p.number', 1)}) {sign} ?", [*values, float(token.text)])
            if kind in _TIMES:
                return Condition(f"{column} {sign} ?", [self._nanoseconds(token)])
            raise _fault(self._where, f"{kind} is compared with a text in single quotes")
        self._at -= 1
        return Condition(f"({column}) {sign} ?", [*values, self._value(kind, sign)])

    def _nanoseconds(self, token: _Token) -> int:
        t_ns = float(token.text) if set(token.text) & set(".eE") else int(token.text)  # digits of nanoseconds are more than a float holds
        if abs(t_ns) >= _FARTHEST_NS:
            raise _fault(self._where, f"{token.text[:40]!r} is no time: beyond 64 bits")
        return int(t_ns)

    def _value(self, kind: str, sign: str) -> Any:
        text = self._text(kind)
        if kind in _TIMES:
            try:
                return instant.parse(text)
            except BadTime as error:
                raise _fault(self._where, f"{text[:40]!r} is no time: {error.detail}") from error
        if sign in _ORDERED:
            raise _fault(self._where, f"{kind} is a text: it is equal, not equal, like or in; a number stands without quotes")
        if kind in ("state", "status") and text not in set(RunState):
            raise _fault(self._where, f"there is no state {text[:40]!r}; there are {', '.join(RunState)}")
        return text

    def _text(self, kind: str) -> str:
        if kind == "metrics":
            raise _fault(self._where, "a metric is compared with a number")
        token = self.take("text")
        if token is None:
            raise self._unexpected("a text in single quotes")
        return token.text[1:-1].replace("''", "'")

    def _among(self, column: str, values: list[Any], kind: str, no: str) -> Condition:
        if not self.take("open"):
            raise self._unexpected("an opening parenthesis")
        listed = [self._text(kind)]
        while self.take("comma"):
            listed.append(self._text(kind))
        if not self.take("close"):
            raise self._unexpected("a closing parenthesis")
        marks = ", ".join("?" * len(listed))
        return Condition(f"({column}) {no}IN ({marks})", [*values, *listed])

    def _unexpected(self, wanted: str) -> InvalidRequest:
        if not self.rest():
            return _fault(self._where, f"ends where {wanted} was expected")
        token = self._tokens[self._at]
        return _fault(self._where, f"expected {wanted} at character {token.at + 1}, found {token.text[:20]!r}")
