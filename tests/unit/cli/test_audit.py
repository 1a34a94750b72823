"""`rpsd audit verify` on a database file that somebody has been at."""

import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.unit.cli.conftest import Run


def verified(rpsd: Run, *options: str) -> dict[str, Any]:
    code, out, err = rpsd("audit", "verify", *options, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def anchor(rpsd: Run) -> str:
    """The end of a log of some rows."""
    for name in ("a", "b", "c"):
        assert rpsd("keys", "create", name, "--scope", "read")[0] == 0
    found = verified(rpsd)
    assert found["rows"] >= 3
    return str(found["anchor"])


def tamper(place: Path, *statements: str) -> None:
    connection = apsw.Connection(str(next((place / "data").glob("*.db"))))
    for trigger in ("audit_keeps_words", "audit_keeps_rows"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statements", "row"),
    [
        (("UPDATE audit SET actor = 'nobody' WHERE seq = 2",), 2),
        (("DELETE FROM audit WHERE seq = 2",), 2),
        (
            (
                "UPDATE audit SET seq = 99 WHERE seq = 3",
                "UPDATE audit SET seq = 3 WHERE seq = 2",
                "UPDATE audit SET seq = 2 WHERE seq = 99",
            ),
            2,
        ),
        (("DELETE FROM audit",), None),
    ],
)
def test_the_first_bad_row_is_named(rpsd: Run, anchor: str, tmp_path: Path, statements: tuple[str, ...], row: int | None) -> None:
    tamper(tmp_path, *statements)
    if row is not None:
        code, _, err = rpsd("audit", "verify")
        assert (code, f"broken from row {row} on" in err) == (70, True), err
    assert rpsd("audit", "verify", "--anchor", anchor)[0] == 70


def test_a_cut_end_shows_against_an_anchor(rpsd: Run, anchor: str, tmp_path: Path) -> None:
    last = int(anchor.partition(":")[0])
    tamper(tmp_path, f"DELETE FROM audit WHERE seq = {last}")
    assert verified(rpsd)["rows"] == last - 1
    code, _, err = rpsd("audit", "verify", "--anchor", anchor)
    assert code == 70
    assert f"row {last} is not the one of the anchor" in err


def test_an_anchor_holds_while_the_log_grows(rpsd: Run, anchor: str) -> None:
    assert rpsd("keys", "create", "later", "--scope", "read")[0] == 0
    assert verified(rpsd, "--anchor", anchor)["anchor"] != anchor


@pytest.mark.parametrize("given", ["5", "x:y", "1:abc", f"-1:{'0' * 64}", f"{10**30}:{'0' * 64}"])
def test_what_is_no_anchor_is_refused(rpsd: Run, given: str) -> None:
    assert rpsd("audit", "verify", "--anchor", given)[0] == 65


def test_rows_are_listed_by_action_actor_and_time(rpsd: Run, anchor: str) -> None:
    def listed(*options: str) -> list[dict[str, Any]]:
        return list(json.loads(rpsd("audit", "list", *options, "--json")[1])["audit"])

    assert {row["action"] for row in listed("--action", "key")} == {"key.create"}
    assert listed("--actor", "nobody") == []
    assert listed("--since", "2100-01-01") == []
    assert len(listed("--since", "2020-01-01", "--action", "key.create")) == 3
