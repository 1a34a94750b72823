"""Runs as they are read: one, many by a search, side by side, and what each has logged."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.cursor import not_of_this_list, row_after
from rpsd.core.errors import Fault, InvalidRequest
from rpsd.core.experiment import Run
from rpsd.services.experiment import run_search
from rpsd.services.experiment.service import seen, seen_run, viewer
from rpsd.store import artifact as artifacts
from rpsd.store import experiment as experiments
from rpsd.store import run as rows
from rpsd.store import run_metric
from rpsd.store.artifact import Artifact
from rpsd.store.db import Connection, Database

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal

MOST_COMPARED: Final = 100
"""Runs of one table."""
_FARTHEST: Final = 1_000_000
"""Runs that a search in an order of its own may be paged through."""
_POINT: Final = re.compile(r"(-?[0-9]{1,19})@(-?[0-9]{1,19})")


class RunReading:
    """Reads runs of the experiments that the caller may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, identifier: str, who: "Principal") -> dict[str, Any]:
        """A run with parameters, tags, and of each metric the last point and the extremes. Raises UnknownRun."""

        def read(c: Connection) -> dict[str, Any]:
            place = seen_run(c, identifier, who)
            told = described(rows.whole(c, [place.seq])[0])
            count, size = artifacts.held(c, place.seq)
            summaries = {one.name: _summary(one) for one in run_metric.summaries(c, place.seq)}
            more = {"children": rows.children(c, place.id), "artifacts": count, "artifact_bytes": size}
            return told | more | {"points": run_metric.points(c, place.seq), "summaries": summaries}

        return self._database.read(read)

    def search(
        self,
        who: "Principal",
        *,
        experiment: str | None = None,
        wanted: str = "",
        order: str = "",
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` runs that meet the search, and the cursor of the next page; without an order the newest come first.

        In an order of its own a page begins where the one before ended by count: runs that come in between may move it.
        Raises InvalidRequest (filter, order, cursor), UnknownExperiment. O(runs that may be seen).
        """
        met = run_search.condition(wanted)
        sorting = run_search.ordering(order) if order.strip() else None
        at = row_after(after) or 0
        if sorting is not None and at > _FARTHEST:
            raise not_of_this_list(f"beyond {_FARTHEST:,} runs")

        def read(c: Connection) -> tuple[list[int], list[Run]]:
            where = [experiments.VISIBLE]
            values: list[Any] = [viewer(who)]
            if experiment is not None:
                where.append("run.experiment = ?")
                values.append(seen(c, experiment, who).id)
            if sorting is None and after is not None:
                where.append("run.seq < ?")
                values.append(at)
            where.append(f"({met.sql})")
            values += met.values
            if sorting is None:
                numbers = rows.search(c, " AND ".join(where), "run.seq DESC", values, limit + 1)
            else:
                numbers = rows.search(c, " AND ".join(where), sorting.sql, [*values, *sorting.values], limit + 1, skip=at)
            return numbers, rows.whole(c, numbers[:limit])

        numbers, runs = self._database.read(read)
        following = None if len(numbers) <= limit else str(at + limit if sorting is not None else numbers[limit - 1])
        return [described(run) for run in runs], following

    def compare(self, identifiers: Sequence[str], who: "Principal") -> dict[str, Any]:
        """The runs side by side: {"runs", "params": [{name, values, differs}], "metrics": [{name, values, steps, least, greatest}]}.

        Values stand in the order of the runs, null where a run has none. Raises UnknownRun, InvalidRequest (none, twice, too many).
        """
        if not 1 <= len(identifiers) <= MOST_COMPARED or len(set(identifiers)) < len(identifiers):
            reason = f"expected 1 to {MOST_COMPARED} different runs"
            raise InvalidRequest(f"/query/ids: {reason}", errors=[Fault("/query/ids", reason)])

        def read(c: Connection) -> tuple[list[Run], list[dict[str, run_metric.Metric]]]:
            numbers = [seen_run(c, identifier, who).seq for identifier in identifiers]
            summaries = [{one.name: one for one in run_metric.summaries(c, seq)} for seq in numbers]
            return rows.whole(c, numbers), summaries

        runs, summaries = self._database.read(read)
        return {
            "runs": [brief(run) for run in runs],
            "params": _table([run.params for run in runs]),
            "metrics": [_row_of_metric(name, summaries) for name in sorted({name for one in summaries for name in one})],
            "tags": _table([run.tags for run in runs]),
        }

    def history(
        self, identifier: str, name: str, who: "Principal", after: str | None = None, limit: int = 1000
    ) -> tuple[list[run_metric.Point], str | None]:
        """Up to `limit` points of a metric by step and time, and the cursor of the next page. Raises UnknownRun, InvalidRequest."""
        place = None
        if after is not None:
            if (match := _POINT.fullmatch(after)) is None:
                raise InvalidRequest(
                    "the cursor is not one of this list", errors=[Fault("/query/after", "expected the `next` of an earlier page")]
                )
            place = int(match[1]), int(match[2])

        def read(c: Connection) -> list[run_metric.Point]:
            seq = seen_run(c, identifier, who).seq
            if name not in rows.names(c, "run_metric", seq):
                raise InvalidRequest(f"the run has no metric {name[:80]!r}", errors=[Fault("/query/name", "not a metric of the run")])
            return run_metric.history(c, seq, name, place, limit + 1)

        points = self._database.read(read)
        following = f"{points[limit - 1][0]}@{points[limit - 1][1]}" if len(points) > limit else None
        return points[:limit], following

    def artifacts(
        self, identifier: str, who: "Principal", after: str | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` artifacts of the run by name, and the cursor of the next page. Raises UnknownRun."""
        found = self._database.read(lambda c: artifacts.page(c, seen_run(c, identifier, who).seq, after or "", limit + 1))
        return [described_artifact(one) for one in found[:limit]], found[limit - 1].name if len(found) > limit else None

    def artifact(self, identifier: str, name: str, who: "Principal") -> tuple[dict[str, Any], bytes]:
        """An artifact and what it holds. Raises UnknownRun, UnknownFile, CorruptData."""

        def read(c: Connection) -> tuple[Artifact, bytes]:
            found = artifacts.find(c, seen_run(c, identifier, who).seq, name)
            return found, artifacts.content(c, found)

        found, data = self._database.read(read)
        return described_artifact(found), data


def described(run: Run) -> dict[str, Any]:
    """A run as clients see it."""
    return brief(run) | {"params": dict(run.params), "metrics": dict(run.metrics), "tags": dict(run.tags)}


def brief(run: Run) -> dict[str, Any]:
    """A run without what was logged."""
    return {
        "id": run.id,
        "experiment": run.experiment,
        "name": run.name,
        "state": run.state.value,
        "owner": run.owner,
        "parent": run.parent,
        "started": instant.text(run.started_ns),
        "finished": None if run.finished_ns is None else instant.text(run.finished_ns),
    }


def described_artifact(one: Artifact) -> dict[str, Any]:
    """An artifact as clients see it."""
    told = {"name": one.name, "size": one.size, "sha256": one.sha256}
    return told | {"media_type": one.media_type, "created": instant.text(one.created_ns)}


def _summary(one: run_metric.Metric) -> dict[str, Any]:
    return {"step": one.step, "t": instant.text(one.t_ns), "value": one.value, "least": one.least, "greatest": one.greatest}


def _table(columns: Sequence[Any]) -> list[dict[str, Any]]:
    """A row for each name: the value of every run, and whether they differ."""
    table = []
    for name in sorted({name for column in columns for name in column}):
        values = [column.get(name) for column in columns]
        table.append({"name": name, "values": values, "differs": len(set(values)) > 1})
    return table


def _row_of_metric(name: str, summaries: Sequence[dict[str, run_metric.Metric]]) -> dict[str, Any]:
    held = [one.get(name) for one in summaries]
    return {
        "name": name,
        "values": [None if one is None else one.value for one in held],
        "steps": [None if one is None else one.step for one in held],
        "least": [None if one is None else one.least for one in held],
        "greatest": [None if one is None else one.greatest for one in held],
    }
