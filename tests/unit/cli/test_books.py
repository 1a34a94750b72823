"""`rpsd books` on a data directory without a server: files in, and what stands there then."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rpsd import samples
from rpsd.cli.book_files import chunks
from rpsd.cli.book_sides import sides
from rpsd.cli.books import FileFormat
from rpsd.core.errors import InvalidRequest, UnknownFile
from rpsd.services.book.feed import FORMATS

Run = Callable[..., tuple[int, str, str]]

MESSAGES = "34200.017459617,1,16113575,18,5853300,1\n34200.189607670,4,16113575,10,5853300,1\n"
BOOKS = "5859400,200,5853300,18\r\n5859400,200,5853300,8\r\n"
NAME = "AAPL_2012-06-21_34200000_57600000_{}_1.csv"


def _lobster(folder: Path) -> Path:
    folder.joinpath(NAME.format("orderbook")).write_bytes(BOOKS.encode())
    message = folder / NAME.format("message")
    message.write_text(MESSAGES)
    return message


def test_the_formats_are_those_of_the_catalogue() -> None:
    assert [one.value for one in FileFormat] == [one.name for one in FORMATS]


def test_lobsters_two_files_are_laid_side_by_side(tmp_path: Path) -> None:
    told: list[float] = []
    text = b"".join(chunks(_lobster(tmp_path), "lobster", lambda share, _: told.append(share)))
    assert text.splitlines() == [b",".join(pair) for pair in zip(*(part.encode().split() for part in (MESSAGES, BOOKS)), strict=True)]
    assert told == [1.0]


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    message = _lobster(tmp_path)
    message.write_text(MESSAGES + MESSAGES)
    with pytest.raises(InvalidRequest, match="one ends after line 2"):
        list(chunks(message, "lobster", lambda *_: None))
    tmp_path.joinpath(NAME.format("orderbook")).unlink()
    with pytest.raises(UnknownFile, match="orderbook"):
        list(chunks(message, "lobster", lambda *_: None))


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.csv.gz"
    file.write_bytes(gzip.compress(b"a" * 1000)[:-12])
    with pytest.raises(UnknownFile, match=r"x\.csv\.gz"):
        list(chunks(file, "tardis", lambda *_: None))


def test_files_are_stored(rpsd: Run, tmp_path: Path) -> None:
    code, out, err = rpsd("books", "import", str(_lobster(tmp_path)), "--format", "lobster", "--symbol", "AAPL", "--tick", "0.01", "--json")
    assert code == 0, err
    assert (json.loads(out)["accepted"], json.loads(out)["rejected"]) == (3, [])
    assert NAME.format("message") in err
    code, out, err = rpsd("books", "import", str(samples.path("btcusdt_l10")), "--format", "tardis", "--symbol", "BTC-USDT")
    assert code == 0, err
    assert out.split()[:2] == ["accepted", "6,547"]


def test_what_is_wrong_is_told(rpsd: Run, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    code, _, err = rpsd("books", "import", str(file), "--format", "tardis", "--symbol", "X")
    assert (code, "(bad_csv)" in err) == (65, True)
    assert rpsd("books", "import", str(tmp_path / "none"), "--format", "tardis", "--symbol", "X")[0] == 66
    assert rpsd("books", "import", str(file), "--format", "excel", "--symbol", "X")[0] == 64


def test_what_is_stored_is_listed_and_shown(rpsd: Run, tmp_path: Path) -> None:
    assert rpsd("books", "list") == (0, "No order books yet; `rpsd books import` reads files.\n", "")
    rpsd("books", "import", str(_lobster(tmp_path)), "--format", "lobster", "--symbol", "AAPL", "--tick", "0.01")
    assert rpsd("books", "list")[1].splitlines()[1].split()[:4] == ["AAPL", "stale", "0.01", "3"]
    out = rpsd("books", "show", "aapl")[1]
    assert re.search(r"^ +8\.000 +585\.33  \|  585\.94 +200\.000$", out, re.M)
    assert rpsd("books", "faults", "AAPL")[1] == "No record was put aside.\n"
    code, _, err = rpsd("books", "show", "NOPE")
    assert (code, "(unknown_book)" in err) == (66, True)


def test_bad_records_are_shown_with_their_place(rpsd: Run, tmp_path: Path) -> None:
    file = _lobster(tmp_path)
    (tmp_path / NAME.format("orderbook")).write_text(BOOKS.replace("5859400,200,5853300,8", "5853000,200,5853300,8"))
    rpsd("books", "import", str(file), "--format", "lobster", "--symbol", "AAPL", "--tick", "0.01", "--on-error", "skip")
    found = rpsd("books", "faults", "AAPL")[1].splitlines()
    assert found[0].split() == ["t", "row", "rule", "excerpt"]
    assert " crossed " in found[1]
    assert "585.33" in found[1]
    assert "bad: crossed" in rpsd("books", "show", "AAPL")[1]


@pytest.mark.parametrize(
    ("tick", "shown"), [(0.1, "5.0  |  7.0"), (1e-5, "5.00000  |  7.00000"), (1.0, "5  |  7"), (None, "5.00000000  |")]
)
def test_prices_have_the_decimals_of_their_tick(tick: float | None, shown: str) -> None:
    assert shown in sides({"tick": tick, "bids": [[5.0, 1.0]], "asks": [[7.0, 1.0]]}, 3)


def test_a_side_that_ends_early_is_blank() -> None:
    lines = sides({"tick": 1.0, "bids": [[5.0, 1.0]], "asks": [[7.0, 1.0], [8.0, 2.0]]}, 3).splitlines()
    assert lines[1].split() == ["|", "8", "2.000"]
    assert sides({"tick": 1.0, "bids": [], "asks": []}, 3) == ""
