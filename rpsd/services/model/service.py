"""The model registry in the user's words: cards, versions, retrain, and the gate between a fit and production."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.errors import CorruptData, GateRefused, NoModel, RpsdError, StateConflict, UnknownModel
from rpsd.core.model import ModelVersion, Packet, Stage
from rpsd.services.model.name import BookName, parse
from rpsd.services.model.quarantine import Quarantine
from rpsd.services.model.served import require_servable
from rpsd.store import audit, run
from rpsd.store import book as book_rows
from rpsd.store import model as rows
from rpsd.store import series as series_rows
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import run_once

if TYPE_CHECKING:
    from rpsd.services.herald import Herald
    from rpsd.services.job import JobService
    from rpsd.store.idempotency import Once

JOB: Final = "retrain"
"""The job that fits a regime model; its argument is {"model": name}."""
BOOK_JOB: Final = "book_train"
"""The job that fits a model of an order book; its argument is {"model": name}, and "params", a JSON text, if they are not the defaults."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate may serve, and why in one sentence."""

    promoted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fit on its way into the registry: its packet, its card, what the gate says of it, and when it began (ns UTC).

    `against`: the version in production that the gate knew of, 0 for none; where another serves by now, the verdict is about the past, and
    the fit stays a candidate. None does not ask.
    """

    name: str
    packet: Packet
    card: Mapping[str, Any]
    verdict: Verdict
    started_ns: int | None = None
    against: int | None = None


class ModelService:
    """Versions of models; exactly one of a name is in production."""

    def __init__(self, database: Database, clock: Callable[[], int], job: "JobService", quarantine: Quarantine, herald: "Herald") -> None:
        self._database, self._clock, self._job, self._quarantine, self._herald = database, clock, job, quarantine, herald
        self.changes = 0
        """Counts up once another version may serve under some name: who holds a served model in memory looks again."""

    def page(self, after: str | None = None, limit: int = 100) -> tuple[list[dict[str, Any]], str | None]:
        """The newest version of up to `limit` names, and the cursor of the next page."""
        found = self._database.read(lambda c: [(v, rows.production(c, v.name)) for v in rows.page(c, after, limit + 1)])
        listed = [brief(v) | {"production_version": p.version if p else None} for v, p in found[:limit]]
        return listed, found[limit - 1][0].name if len(found) > limit else None

    def card(self, name: str) -> dict[str, Any]:
        """The card of the version in production, or of the newest when none is. Raises UnknownModel."""

        def run(c: Connection) -> ModelVersion:
            return rows.production(c, name) or rows.newest(c, name)

        version = self._database.read(run)
        return brief(version) | {"card": dict(version.card)}

    def versions(self, name: str) -> list[dict[str, Any]]:
        """All versions with their cards, newest first. Raises UnknownModel."""
        return [brief(v) | {"card": dict(v.card)} for v in self._database.read(lambda c: rows.versions(c, name))]

    def production(self, name: str) -> tuple[ModelVersion, Packet] | None:
        """The version in production with its state, or None. Raises CorruptData."""
        return self.productions([name]).get(name)

    def productions(self, names: Sequence[str]) -> dict[str, tuple[ModelVersion, Packet]]:
        """The versions in production with their states, of the names that have one. Raises CorruptData."""

        def run(c: Connection) -> dict[str, tuple[ModelVersion, Packet]]:
            found = {name: rows.production(c, name) for name in names}
            return {name: (v, self._packet(c, v)) for name, v in found.items() if v is not None}

        return self._database.read(run)

    def serving(self) -> dict[str, int]:
        """When the version in production was fitted (ns UTC), by name."""
        return self._database.read(rows.serving)

    def serving_version(self, name: str) -> int:
        """The version in production now, 0 for none."""
        before = self._database.read(lambda c: rows.production(c, name))
        return 0 if before is None else before.version

    def refusal(self, name: str) -> str | None:
        """Why the newest version does not serve, or None when there is no version at all."""
        try:
            return self._database.read(lambda c: rows.newest(c, name)).reason
        except UnknownModel:
            return None

    def retrain(self, name: str, by: str, once: "Once | None" = None) -> dict[str, Any]:
        """Queue a fit of the model; the job. Raises UnknownModel for what is no name, UnknownSeries, UnknownBook."""
        wanted = parse(name)
        if isinstance(wanted, BookName):
            if not wanted.is_pooled:
                self._database.read(lambda c: book_rows.require(c, wanted.symbol))
            return self._job.enqueue(BOOK_JOB, {"model": str(wanted)}, by=by, once=once)
        self._database.read(lambda c: series_rows.require(c, wanted.symbol, wanted.interval))
        return self._job.enqueue(JOB, {"model": str(wanted)}, by=by, once=once)

    def promote(
        self,
        name: str,
        version: int,
        reason: str,
        by: str,
        *,
        force: bool = False,
        expected: int | None = None,
        once: "Once | None" = None,
    ) -> dict[str, Any]:
        """Put a stored version into production; the version. What the gate has kept back, or nothing has evaluated, needs force. Audited.

        `expected`: the version that the caller believes to serve, 0 for none; without it the one that served when the call came in.
        Raises UnknownModel, GateRefused, StateConflict when it serves already or another than expected does, CorruptData,
        FeatureGraphChanged, IdempotencyConflict.
        """
        seen = self.serving_version(name) if expected is None else expected

        def serve(c: Connection) -> ModelVersion:
            _require_unchanged(c, name, seen)
            chosen = rows.find(c, name, version)
            if not force:
                _require_passed(chosen)
            return self._serve(c, chosen, "model.promote", reason, by, forced=force)

        return self._once(serve, once, "promoted")

    def rollback(
        self,
        name: str,
        version: int | None,
        reason: str,
        by: str,
        *,
        force: bool = False,
        expected: int | None = None,
        once: "Once | None" = None,
    ) -> dict[str, Any]:
        """Put a version that has served before back into production: the one named, else the newest such one below the present; audited.

        `expected` as promote(). Raises UnknownModel, StateConflict when there is none, it serves already, or another than expected does;
        GateRefused for one that never served, unless forced; CorruptData, FeatureGraphChanged, IdempotencyConflict.
        """
        seen = self.serving_version(name) if expected is None else expected

        def serve(c: Connection) -> ModelVersion:
            _require_unchanged(c, name, seen)
            chosen = rows.find(c, name, version) if version is not None else _before(c, name)
            if chosen.promoted_ns is None and not force:
                raise GateRefused(f"version {chosen.version} of {name} has never served", hint="Promote it instead.")
            return self._serve(c, chosen, "model.rollback", reason, by, forced=force)

        return self._once(serve, once, "rolled_back")

    def _serve(self, c: Connection, chosen: ModelVersion, action: str, reason: str, by: str, *, forced: bool) -> ModelVersion:
        """Into production with its trace in the audit log, once its packet has been read: a damaged or outdated one must not serve."""
        now_ns, before = self._clock(), rows.production(c, chosen.name)
        try:
            require_servable(chosen.name, chosen.version, self._packet(c, chosen))
        except NoModel as error:
            raise StateConflict(error.detail, hint="Retrain the model, or name another version.") from error
        done = rows.promote(c, chosen.name, chosen.version, reason, by, now_ns)
        told = {"version": chosen.version, "from": before.version if before else None, "reason": reason, "forced": forced}
        audit.append(c, by, action, chosen.name, told, now_ns)
        return done

    def _packet(self, c: Connection, version: ModelVersion) -> Packet:
        """The state of the version; a damaged one is noted in the quarantine. Raises CorruptData."""
        try:
            return rows.packet(c, version.name, version.version)
        except CorruptData as error:
            self._quarantine.note_damaged(version.name, version.version, error)
            raise

    def _once(self, serve: Callable[[Connection], ModelVersion], once: "Once | None", event: str) -> dict[str, Any]:
        now_ns = self._clock()

        def tell(done: tuple[dict[str, Any], bool]) -> None:
            if not done[1]:
                self._herald.serves(event, done[0])

        told, _ = self._database.write(lambda c: run_once(c, once, now_ns, lambda: brief(serve(c))), tell).result()
        self.changes += 1
        self._quarantine.healed(told["name"])
        return told

    def register(self, candidate: Candidate, by: str) -> ModelVersion:
        """Store a fit as the next version and, if the verdict says so, put it into production: one transaction, audited."""
        return self.register_many([candidate], by)[0]

    def register_many(self, candidates: Sequence[Candidate], by: str) -> list[ModelVersion]:
        """Register each, with its run, in a transaction of its own; they share commits. Raises what refuses the first that is refused.

        The run's id stands in the card: lineage.run. A version that the gate let through, but not against the one that serves by now, stays
        a candidate, and its reason says so: look at its stage.
        """
        from rpsd.services.experiment import fit_run  # no start needs it

        now_ns = self._clock()

        def write(c: Connection, one: Candidate, data: bytes) -> ModelVersion:
            head, verdict, run_id = one.packet.head, _still(c, one), run.new_id()
            card = {**one.card, "lineage": {**one.card.get("lineage", {}), "run": run_id}}
            version = rows.add(
                c,
                one.name,
                data,
                trained_from_ns=head["trained_from_ns"],
                trained_until_ns=head["trained_until_ns"],
                data_fingerprint=one.card["data_fingerprint"],
                card=card,
                now_ns=now_ns,
                reason=verdict.reason,
            )
            fit_run.fitted(
                c,
                (one.name, version.version),
                card,
                gate=(verdict.promoted, verdict.reason),
                by=by,
                identifier=run_id,
                started_ns=one.started_ns or now_ns,
                now_ns=now_ns,
            )
            if verdict.promoted:
                version = rows.promote(c, one.name, version.version, verdict.reason, by, now_ns)
            action = "model.promote" if verdict.promoted else "model.keep_back"
            audit.append(c, by, action, one.name, {"version": version.version, "reason": verdict.reason}, now_ns)
            return version

        def tell(version: ModelVersion) -> None:
            if version.stage is Stage.PRODUCTION:
                self._herald.serves("promoted", brief(version))

        writes = [self._database.write(partial(write, one=one, data=one.packet.pack()), tell) for one in candidates]
        try:
            return [written.result() for written in writes]
        finally:
            self.changes += 1

    def tell_refused(self, refused: Mapping[str, RpsdError], by: str, started_ns: int | None = None) -> None:
        """Leave in the audit log, and as runs, why models could not be fitted; what serves goes on serving."""
        from rpsd.services.experiment import fit_run  # no start needs it

        now_ns = self._clock()

        def write(c: Connection) -> None:
            for name, error in refused.items():
                audit.append(c, by, "model.refuse", name, {"code": error.code, "detail": error.detail}, now_ns)
                fit_run.refused(c, name, error, by=by, started_ns=started_ns or now_ns, now_ns=now_ns)

        if refused:
            self._database.write(write).result()


def _require_unchanged(c: Connection, name: str, expected: int) -> None:
    """Raise StateConflict when another version has come into production: two promotions at a time must not both believe that they won."""
    before = rows.production(c, name)
    serving = 0 if before is None else before.version
    if serving != expected:
        told = f"version {serving}" if serving else "no version"
        hint = "Look again at what serves, and repeat the call if it is still wanted."
        raise StateConflict(f"{told} of {name} is in production now, not {expected or 'none'} as the call assumed", hint=hint)


def _still(c: Connection, one: Candidate) -> Verdict:
    """The gate's verdict, as long as what it was reached against still serves."""
    before = rows.production(c, one.name)
    serving = 0 if before is None else before.version
    if not one.verdict.promoted or one.against is None or serving == one.against:
        return one.verdict
    told = f"version {serving}" if serving else "no version"
    return Verdict(False, f"{told} serves since the fit began, not {one.against or 'none'} as the gate assumed: {one.verdict.reason}")


def _require_passed(version: ModelVersion) -> None:
    """Raise GateRefused unless the version has served before, or was evaluated and let through when it was fitted."""
    if version.promoted_ns is not None:
        return
    if version.card.get("evaluation") is None:
        raise GateRefused(f"version {version.version} of {version.name} was never evaluated on data that it had not seen")
    if not version.card.get("gate", {}).get("promoted"):
        raise GateRefused(f"version {version.version} of {version.name} was kept back: {version.reason}")


def _before(c: Connection, name: str) -> ModelVersion:
    """The newest version below the one in production that has served. Raises UnknownModel, StateConflict."""
    listed, serving = rows.versions(c, name), rows.production(c, name)
    if serving is None:
        raise StateConflict(f"no version of {name} is in production", hint="Promote one, or retrain the model.")
    for version in listed:  # newest first
        if version.version < serving.version and version.promoted_ns is not None:
            return version
    raise StateConflict(f"no version of {name} before {serving.version} has served", hint="Name the version to go to.")


def brief(version: ModelVersion) -> dict[str, Any]:
    """A version without its card."""
    return {
        "name": version.name,
        "version": version.version,
        "stage": version.stage.value,
        "created": instant.text(version.created_ns),
        "trained_from": instant.text(version.trained_from_ns),
        "trained_until": instant.text(version.trained_until_ns),
        "data_fingerprint": version.data_fingerprint,
        "digest": version.digest,
        "reason": version.reason,
        "promoted": None if version.promoted_ns is None else instant.text(version.promoted_ns),
        "promoted_by": version.promoted_by,
        "predecessor": version.predecessor,
    }


def outcome(version: ModelVersion, unchanged: str | None = None) -> dict[str, Any]:
    """How a training went, for the job's row; `unchanged` says why nothing was fitted, and the version is then the one that serves."""
    return {
        "model": version.name,
        "name": version.name,
        "version": version.version,
        "stage": version.stage.value,
        "promoted": unchanged is None and version.stage is Stage.PRODUCTION,
        "reason": unchanged or version.reason,
        "evaluation": version.card["evaluation"],
        "trained_until": instant.text(version.trained_until_ns),
        "run": version.card.get("lineage", {}).get("run"),
    }
