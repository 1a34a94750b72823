"""Experiments in the layout of an MLflow file store: directories and small text files that its client opens.

Source: the file store of MLflow 2 and 3, `mlruns/<experiment>/<run>/{meta.yaml, params, metrics, tags, artifacts}`.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from rpsd.core.errors import Fault, InvalidRequest, UnknownFile
from rpsd.core.experiment import Experiment, Run, RunState
from rpsd.services.experiment.service import seen
from rpsd.store import artifact as artifacts
from rpsd.store import run as rows
from rpsd.store import run_metric
from rpsd.store.db import Connection, Database

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal

Member = tuple[str, bytes]
"""A file of the export: its path below the store, with slashes, and what it holds; a path that ends with a slash is a directory."""

_STATES: Final = {RunState.RUNNING: 1, RunState.FINISHED: 3, RunState.FAILED: 4, RunState.KILLED: 5}
"""Numbers of RunStatus in MLflow's protocol."""
_FOLDERS: Final = ("params", "metrics", "tags", "artifacts")
"""Without all of them, empty or not, newer clients take a run for a forgery."""
_MS: Final = 1_000_000
_LINES: Final = 10_000
_RECORD: Final = 512


class MlflowExport:
    """Writes what other tools of experiment tracking can read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def members(self, experiment: str, who: "Principal", root: str = "") -> Iterator[Member]:
        """The files of an experiment, those of one run after another; `root` is where the store will lie, as a path or URI.

        Artifacts are found below `root`; without one below the directory in which the client runs. Runs that come later are left out.
        Each run is read as it is when its turn comes. Raises UnknownExperiment, InvalidRequest, before the first file.
        """
        if len(root) > 1000 or any(ord(letter) < 32 for letter in root):
            raise InvalidRequest("/query/root: not a path", errors=[Fault("/query/root", "expected a path or a URI")])
        found = self._database.read(lambda c: seen(c, experiment, who))
        numbers = self._database.read(lambda c: _numbers(c, found.id))
        return self._written(found, numbers, location(root))

    def _written(self, found: Experiment, numbers: list[int], root: str) -> Iterator[Member]:
        yield f"{found.id}/meta.yaml", _experiment(found, root)
        for name, value in {"owner": found.owner, "scope": found.scope.value, "mlflow.note.content": found.description}.items():
            if value:
                yield f"{found.id}/tags/{name}", value.encode()
        for seq in numbers:
            yield from self._run(found, seq, root)

    def _run(self, home: Experiment, seq: int, root: str) -> Iterator[Member]:
        found = self._database.read(lambda c: rows.whole(c, [seq]))
        if not found:  # dropped meanwhile
            return
        run, place = found[0], f"{home.id}/{found[0].id}"
        yield f"{place}/meta.yaml", _meta(run, root)
        yield from ((f"{place}/{folder}/", b"") for folder in _FOLDERS)
        for name, text in run.params.items():
            yield f"{place}/params/{name}", text.encode()
        for name, text in _tags(run).items():
            yield f"{place}/tags/{name}", text.encode()
        for name in run.metrics:
            yield f"{place}/metrics/{name}", "".join(self._lines(seq, name)).encode()
        for one in self._database.read(lambda c: artifacts.page(c, seq, "", _LINES)):
            try:
                data = self._database.read(lambda c, one=one: artifacts.content(c, artifacts.find(c, seq, one.name)))  # type: ignore[misc]
            except UnknownFile:  # its run was dropped since the list was read
                return
            yield f"{place}/artifacts/{one.name}", data

    def _lines(self, seq: int, name: str) -> Iterator[str]:
        """`time value step` of each point, time in ms."""
        after: tuple[int, int] | None = None
        while True:
            points = self._database.read(lambda c, after=after: run_metric.history(c, seq, name, after, _LINES))  # type: ignore[misc]
            yield from (f"{t_ns // _MS} {value!r} {step}\n" for step, t_ns, value in points)
            if len(points) < _LINES:
                return
            after = points[-1][:2]

    def tar(self, experiment: str, who: "Principal", root: str = "") -> Iterator[bytes]:
        """The files as a tar stream whose first directory is `mlruns`. Raises as members()."""
        return tarred(self.members(experiment, who, root))


def location(root: str) -> str:
    """The store's place as a URI without a slash at its end: a scheme is kept, a path becomes file:, nothing stays relative."""
    if "://" in root or root.startswith("file:"):
        return root.rstrip("/")
    return f"file://{quote(root.rstrip('/'))}" if root.startswith("/") else quote(root.rstrip("/")) or "mlruns"


def tarred(members: Iterable[Member]) -> Iterator[bytes]:
    """A tar stream of the files below `mlruns`, in pieces."""
    for name, data in members:
        entry = tarfile.TarInfo(f"mlruns/{name}")
        entry.size, entry.mode = len(data), 0o644
        if name.endswith("/"):
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        yield entry.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % _RECORD)
    yield bytes(2 * _RECORD)


def unpacked(chunks: Iterable[bytes], target: Path) -> int:
    """Write a tar stream of tarred() below the directory, which becomes the store; how many files.

    Raises InvalidRequest for a path that leaves it.
    """
    count = 0
    with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks)), mode="r|") as archive:
        for entry in archive:
            held = archive.extractfile(entry)
            name = entry.name.removeprefix("mlruns/")
            write(target, name if held is not None else f"{name}/", held.read() if held is not None else b"")
            count += held is not None
    return count


def write(target: Path, name: str, data: bytes) -> None:
    """Write one file, or make a directory, below the target. Raises InvalidRequest for a path that leaves it."""
    file = target / name
    if not file.resolve().is_relative_to(target.resolve()):
        raise InvalidRequest(f"{name[:80]!r} would be written outside of {target}")
    if name.endswith("/"):
        file.mkdir(parents=True, exist_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a stream that can be read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._held = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held:
            following = next(self._chunks, None)
            if following is None:
                return 0
            self._held = following
        n = min(len(buffer), len(self._held))
        buffer[:n], self._held = self._held[:n], self._held[n:]
        return n


def _numbers(c: Connection, experiment: int) -> list[int]:
    """Every run of the experiment, the oldest first."""
    return rows.search(c, "run.experiment = ?", "seq", (experiment,), 2**31)


def _yaml(facts: dict[str, Any]) -> bytes:
    """A mapping as YAML: JSON is YAML, and every text is quoted."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in facts.items()).encode()


def _experiment(found: Experiment, root: str) -> bytes:
    made = found.created_ns // _MS
    return _yaml(
        {
            "artifact_location": f"{root}/{found.id}",
            "creation_time": made,
            "experiment_id": str(found.id),
            "last_update_time": made,
            "lifecycle_stage": "active",
            "name": found.name,
        }
    )


def _meta(run: Run, root: str) -> bytes:
    return _yaml(
        {
            "artifact_uri": f"{root}/{run.experiment}/{run.id}/artifacts",
            "end_time": None if run.finished_ns is None else run.finished_ns // _MS,
            "entry_point_name": "",
            "experiment_id": str(run.experiment),
            "lifecycle_stage": "active",
            "run_id": run.id,
            "run_name": run.name,
            "run_uuid": run.id,
            "source_name": "rpsd",
            "source_type": 4,  # LOCAL
            "source_version": "",
            "start_time": run.started_ns // _MS,
            "status": _STATES[run.state],
            "tags": [],
            "user_id": run.owner,
        }
    )


def _tags(run: Run) -> dict[str, str]:
    """Tags with those by which MLflow knows a run's name, user and parent."""
    own = {"mlflow.runName": run.name, "mlflow.user": run.owner, "mlflow.source.name": "rpsd", "mlflow.source.type": "LOCAL"}
    return {**run.tags, **own, **({} if run.parent is None else {"mlflow.parentRunId": run.parent})}
