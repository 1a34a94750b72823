"""Whether the condition of a rule holds, look after look."""

from rpsd.core.alert_rule import NOW, AlertRule, Condition
from rpsd.services.alerting.look import Look, quantile
from rpsd.services.alerting.trail import Counts, Trail


class Judge:
    """Follows one rule. `measured` is what the condition last came to, None while that cannot be told."""

    def __init__(self, rule: AlertRule, born: float) -> None:
        """`born` (seconds since 1970): when the process began, and its counters with 0."""
        self.rule = rule
        self.measured: float | None = None
        condition = rule.condition
        self._born = born
        self._trail = Trail(condition.windows * condition.window_seconds, born)
        self._bounds: Counts = ()
        self._holding_since: float | None = None

    def holds(self, look: Look) -> bool | None:
        """Whether the condition holds at this look; None while it is too early to say. The cost of a look at its metrics."""
        if self.rule.condition.function in NOW:
            return self._holds_now(look)
        return self._holds_over(look)

    def _holds_now(self, look: Look) -> bool | None:
        condition = self.rule.condition
        self.measured = _reading(condition, look, self._born)
        if self.measured is None or not _beyond(condition, self.measured):
            self._holding_since = None
            return False
        since = self._holding_since = min(look.now, self._holding_since or look.now)  # the clock may be set back
        return True if look.now - since >= condition.windows * condition.window_seconds else None

    def _holds_over(self, look: Look) -> bool | None:
        self._trail.add(look.now, self._counts(look))
        seconds = self.rule.condition.window_seconds
        ends = [look.now - n * seconds for n in range(self.rule.condition.windows)]
        verdicts = [self._verdict(end - seconds, end) for end in reversed(ends)]  # the newest last: it is the one that is told
        return False if False in verdicts else None if None in verdicts else True

    def _counts(self, look: Look) -> Counts:
        condition = self.rule.condition
        if condition.function.startswith("p"):
            self._bounds, counts = look.buckets(condition.part)
            return counts
        return (look.total(condition.part), *([look.total(condition.whole)] if condition.whole else []))

    def _verdict(self, start: float, end: float) -> bool | None:
        """Of one window; None when it lies before the process and holds too few events to tell."""
        condition, grown = self.rule.condition, self._trail.growth(start, end)
        self.measured = None
        if condition.function == "rate":
            if start < self._trail.born:
                return None
            self.measured = grown[0] / condition.window_seconds
        elif not grown or grown[-1] < max(1, self.rule.least):
            return None if start < self._trail.born else False
        elif condition.function == "ratio":
            self.measured = grown[0] / grown[1]
        else:
            self.measured = quantile(int(condition.function[1:]) / 100, self._bounds, grown)
        return _beyond(condition, self.measured)


def _beyond(condition: Condition, measured: float) -> bool:
    return measured > condition.limit if condition.above else measured < condition.limit


def _reading(condition: Condition, look: Look, born: float) -> float | None:
    """What the function says of the series now; None when there are none, or nothing that will end.

    A moment that is 0 has never been: its age is that of the process.
    """
    values = look.values(condition.part)
    if condition.function == "age":
        return max((look.now - (moment or born) for moment in values), default=None)
    if condition.function == "left":
        return min((moment - look.now for moment in values if moment), default=None)
    if not values:
        return None
    return sum(values) if condition.function == "sum" else max(values) if condition.function == "max" else min(values)
