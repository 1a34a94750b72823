"""A file of an order book into the store, piece by piece: memory holds one piece, however long the file is."""

from collections import Counter
from typing import Any

from rpsd.core.errors import Fault, RpsdError
from rpsd.services.book.feed.reader import MOST_LISTED, UNREADABLE, Piece, Reader
from rpsd.services.book.service import BookService


class BookImport:
    """feed(bytes) as often as needed, then finish(); each complete piece is durable before the next is read.

    All or nothing holds for a piece of some thousand lines, not for the file: an error says which line it was and that what came before
    is stored. Places are lines of the file, counted from 1.
    """

    def __init__(self, books: BookService, symbol: str, reader: Reader, *, by: str, tick: float | None = None) -> None:
        self._books, self._symbol, self._reader, self._by, self._tick = books, symbol, reader, by, tick
        self._counts: Counter[str] = Counter()
        self._totals = Counter(accepted=0, repaired=0, skipped=0)
        self._rejected: list[dict[str, Any]] = []
        self._last: dict[str, Any] = {"state": "empty", "last": None}

    def feed(self, chunk: bytes) -> None:
        """Store what the chunk completes. Raises BadBook, BookGap, BadCsv, MalformedBody, and as BookService.ingest."""
        self._store(self._reader.feed(chunk))

    def finish(self) -> dict[str, Any]:
        """Store the rest; what became of all records, as BookService.ingest tells it, with `ignored` lines that say nothing of a book.

        `rejected` are the first thousand bad records by line, `counts` tells of all. Raises as feed does.
        """
        self._store(self._reader.finish())
        bad = self._reader.bad
        counts = self._counts + Counter({UNREADABLE: bad.count})
        rejected = sorted([*self._rejected, *bad.listed], key=lambda one: int(one["row"]))[:MOST_LISTED]
        told: dict[str, Any] = {**self._totals, "rejected": rejected, "counts": {rule: n for rule, n in sorted(counts.items()) if n}}
        return told | self._last | {"ignored": self._reader.ignored}

    def _store(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            try:
                done = self._books.ingest(self._symbol, piece.feed, on_error=self._reader.options.on_error, by=self._by, tick=self._tick)
            except RpsdError as error:
                raise self._placed(error, piece) from error.__cause__
            self._totals.update({name: done[name] for name in self._totals})
            self._counts.update(done["counts"])
            room = MOST_LISTED - len(self._rejected)
            self._rejected += [{**one, "row": int(piece.lines[one["row"]])} for one in done["rejected"][:room]]
            self._last = {name: done[name] for name in self._last}

    def _placed(self, error: RpsdError, piece: Piece) -> RpsdError:
        """The error by the lines of the file, and what is stored of it already."""
        places = [(fault.pointer.removeprefix("/").partition("/"), fault.reason) for fault in error.errors]
        if not places or not all(row.isdecimal() for (row, _, _), _ in places):
            return error
        error.errors = tuple(Fault(f"/{piece.lines[int(row)]}{slash}{rest}", reason) for (row, slash, rest), reason in places)
        first, more = error.errors[0], f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        error.detail = (
            f"line {first.pointer[1:]}: {first.reason}{more}; {self._totals['accepted']} records before line {piece.lines[0]} are stored"
        )
        return error
