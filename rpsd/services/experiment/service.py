"""Experiments in the user's words: who may see them, who may write into them, and their rows."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.cursor import number, row_after
from rpsd.core.errors import Fault, Forbidden, InvalidRequest, UnknownExperiment, UnknownRun
from rpsd.core.experiment import Experiment, Visibility
from rpsd.services.idempotency import Once
from rpsd.store import artifact, audit, run
from rpsd.store import experiment as rows
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import run_once

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal

OWN: Final = "rpsd"
"""Owner of the experiments of the product itself, and the beginning of their names, which nobody else may take."""
_NAME: Final = re.compile(r"[\w^][\w .@:/=^+-]{0,127}")
_LONGEST_DESCRIPTION: Final = 2000
_SLICE: Final = 50
"""Runs that one transaction drops: their points may be many, and other writes wait meanwhile."""


class ExperimentService:
    """Experiments; whoever may not see one is told that there is none."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def page(self, who: "Principal", after: str | None = None, limit: int = 100) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` experiments that may be seen, newest first, and the cursor of the next page. Raises InvalidRequest."""
        before = row_after(after)
        found = self._database.read(lambda c: rows.page(c, viewer(who), before, limit + 1))
        return [described(one) for one in found[:limit]], str(found[limit - 1].id) if len(found) > limit else None

    def find(self, identifier: str, who: "Principal") -> dict[str, Any]:
        """One experiment by its id, or by its name where that is clear. Raises UnknownExperiment, InvalidRequest."""
        return described(self._database.read(lambda c: seen(c, identifier, who)))

    def create(
        self, name: str, who: "Principal", *, description: str = "", scope: Visibility = Visibility.PRIVATE, once: Once | None = None
    ) -> dict[str, Any]:
        """A new experiment of the caller; audited. Raises InvalidRequest, StateConflict when the caller has one of that name."""
        faults = _faults(name, description)
        if faults:
            raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
        now_ns = self._clock()

        def add(c: Connection) -> dict[str, Any]:
            made = rows.add(c, name, who.id, scope, description, now_ns)
            audit.append(c, who.actor, "experiment.create", str(made.id), {"name": name, "scope": scope.value}, now_ns)
            return described(made)

        return self._database.write(lambda c: run_once(c, once, now_ns, lambda: add(c))[0]).result()

    def change(
        self,
        identifier: str,
        who: "Principal",
        *,
        description: str | None = None,
        scope: Visibility | None = None,
        once: Once | None = None,
    ) -> dict[str, Any]:
        """Another description or scope, by the owner or an administrator; audited.

        Raises UnknownExperiment, Forbidden, InvalidRequest.
        """
        faults = _faults("x", description or "")
        if faults:
            raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
        now_ns = self._clock()

        def put(c: Connection) -> dict[str, Any]:
            before = owned(c, identifier, who)
            after = rows.change(c, before.id, scope, description)
            told = {"name": before.name, "scope": after.scope.value, "from": before.scope.value}
            audit.append(c, who.actor, "experiment.change", str(before.id), told, now_ns)
            return described(after)

        return self._database.write(lambda c: run_once(c, once, now_ns, lambda: put(c))[0]).result()

    def delete(self, identifier: str, who: "Principal") -> dict[str, Any]:
        """Drop the experiment with its runs, by the owner or an administrator; audited. Raises UnknownExperiment, Forbidden.

        Its runs go in slices, so that other writes hardly wait; a break in between leaves an experiment with fewer runs.
        """
        doomed = self._database.read(lambda c: owned(c, identifier, who))
        now_ns = self._clock()
        self._database.write(
            lambda c: audit.append(c, who.actor, "experiment.delete", str(doomed.id), {"name": doomed.name, "runs": doomed.runs}, now_ns)
        ).result()
        while self._database.write(lambda c: _drop_runs(c, doomed.id)).result():
            pass
        self._database.write(lambda c: rows.delete(c, doomed.id)).result()
        self._sweep()
        return described(doomed)

    def _sweep(self) -> None:
        """Drop what only the runs that are gone have held."""
        while self._database.write(artifact.sweep).result():
            pass

    def counts(self) -> dict[str, int]:
        """How many experiments there are, and runs by state: {"experiments", "running", "finished", "failed", "killed"}."""
        return dict.fromkeys(("running", "finished", "failed", "killed"), 0) | self._database.read(rows.counts)


def _drop_runs(c: Connection, experiment: int) -> int:
    numbers = run.search(c, "run.experiment = ?", "seq", (experiment,), _SLICE)
    for seq in numbers:
        run.delete(c, seq)
    return len(numbers)


def viewer(who: "Principal") -> str | None:
    """The id that visibility is judged by; None for an administrator, who sees all."""
    return None if "admin" in who.scopes else who.id


def seen(c: Connection, identifier: str, who: "Principal") -> Experiment:
    """The experiment of that id or name, if it may be seen.

    Raises UnknownExperiment; InvalidRequest when several that may be seen have the name.
    """
    if (row := number(identifier)) is not None:
        found = rows.find(c, row)
        if _is_seen(found, who):
            return found
        raise UnknownExperiment(f"there is no experiment {identifier}")
    alike = rows.named(c, identifier, viewer(who))
    own = [one for one in alike if one.owner == who.id]
    if len(alike) > 1 and not own:
        several = ", ".join(str(one.id) for one in alike[:10])
        raise InvalidRequest(f"several experiments are named {identifier[:80]!r}", hint=f"Name it by its id: {several}.")
    if not alike:
        raise UnknownExperiment(f"there is no experiment {identifier[:80]!r}")
    return (own or alike)[0]


def _is_seen(one: Experiment, who: "Principal") -> bool:
    return "admin" in who.scopes or one.owner == who.id or one.scope is not Visibility.PRIVATE


def writable(c: Connection, identifier: str, who: "Principal") -> Experiment:
    """The experiment, if runs may be logged into it. Raises UnknownExperiment, InvalidRequest, Forbidden."""
    found = seen(c, identifier, who)
    if not ("admin" in who.scopes or found.owner == who.id or found.scope is Visibility.SHARED):
        raise Forbidden(f"experiment {found.id} may be read but not written by this key", hint="Its owner can give it the scope shared.")
    return found


def owned(c: Connection, identifier: str, who: "Principal") -> Experiment:
    """The experiment, if the caller may change or drop it. Raises UnknownExperiment, InvalidRequest, Forbidden."""
    found = seen(c, identifier, who)
    if not ("admin" in who.scopes or found.owner == who.id):
        raise Forbidden(f"experiment {found.id} belongs to another key", hint="Ask its owner, or an administrator.")
    return found


def seen_run(c: Connection, identifier: str, who: "Principal", *, write: bool = False) -> run.Place:
    """The run of that id, if it may be seen, or written with `write`. Raises UnknownRun, Forbidden."""
    found = run.find(c, identifier)
    try:
        (writable if write else seen)(c, str(found.experiment), who)
    except UnknownExperiment as error:
        raise UnknownRun(f"there is no run {identifier[:40]!r}") from error
    return found


def described(one: Experiment) -> dict[str, Any]:
    """An experiment as clients see it."""
    return {
        "id": one.id,
        "name": one.name,
        "owner": one.owner,
        "scope": one.scope.value,
        "description": one.description,
        "created": instant.text(one.created_ns),
        "runs": one.runs,
    }


def _faults(name: str, description: str) -> list[Fault]:
    faults = []
    if not _NAME.fullmatch(name) or name != name.strip() or name.isdigit():
        reason = "expected 1 to 128 letters, digits, spaces or . _ @ : / = ^ + -, not digits alone, beginning with a letter or digit"
        faults.append(Fault("/name", reason))
    if name == OWN or name.startswith(f"{OWN}."):
        faults.append(Fault("/name", f"names beginning with {OWN} are the product's own"))
    if len(description) > _LONGEST_DESCRIPTION:
        faults.append(Fault("/description", f"expected at most {_LONGEST_DESCRIPTION} characters"))
    return faults
