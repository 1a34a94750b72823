"""SIGKILL right after the answer to an act on a key: what was acknowledged holds in the next life. The control answers too early."""

import json
import random
import time
from pathlib import Path

import pytest

from tests.fault.broken_server import BEHIND_SECONDS
from tests.fault.victim import SERVE, Victim, victim

pytestmark = pytest.mark.fault
LIVES = 6
ACTS = ("create", "revoke", "rotate", "end a token")


class Keys:
    """Keys and tokens of one server: whether each must work."""

    def __init__(self, server: Victim) -> None:
        self._server = server
        self.works: dict[str, bool] = {}

    def _post(self, path: str, body: object = None, key: str = "") -> dict[str, str]:
        status, told = self._server.ask("POST", path, body, {"X-API-Key": key} if key else None)
        assert status in (200, 201), told
        answer: dict[str, str] = json.loads(told)
        return answer

    def act(self, act: str, number: int) -> None:
        """One act, and no more requests after it."""
        made = self._post("/api/v1/admin/keys", {"name": f"{act} {number}", "scopes": ["read"]})
        if act != "create":
            time.sleep(4 * BEHIND_SECONDS)  # the control, which answers too early, must have the key when it is asked for more
        self.works[made["key"]] = act in ("create", "end a token")
        if act == "revoke":
            assert self._server.ask("DELETE", f"/api/v1/admin/keys/{made['id']}")[0] == 200
        elif act == "rotate":
            self.works[self._post(f"/api/v1/admin/keys/{made['id']}/rotate", {"overlap": 0})["key"]] = True
        elif act == "end a token":
            token = self._post("/api/v1/auth/token", key=made["key"])["token"]
            time.sleep(4 * BEHIND_SECONDS)
            self.works[token] = False
            assert self._server.ask("DELETE", "/api/v1/auth/token", headers={"X-API-Key": token})[0] == 204

    def wrong(self) -> int:
        """How many do not stand as they were acknowledged."""
        return sum(
            (self._server.ask("GET", "/api/v1/series", headers={"X-API-Key": key})[0] == 200) != yes for key, yes in self.works.items()
        )


def lived(place: Path, acts: tuple[str, ...], entry: tuple[str, ...] = SERVE) -> int:
    """A life for each act, killed at its answer; how many keys and tokens stood wrong in the lives after."""
    wrong = 0
    with victim(place, entry) as server:
        keys = Keys(server)
        for number, act in enumerate(acts):
            server.start()
            wrong += keys.wrong()
            keys.act(act, number)
            server.kill()
        server.start()
        wrong += keys.wrong()
        assert json.loads(server.ask("GET", "/api/v1/admin/audit/verify")[1])["intact"]
        assert server.stop() == 0
    return wrong


def test_what_was_acknowledged_of_a_key_outlives_a_kill(tmp_path: Path) -> None:
    rng = random.Random(3)
    assert lived(tmp_path / "server", (*ACTS, *rng.choices(ACTS, k=LIVES - len(ACTS)))) == 0


def test_failing_control_a_revocation_answered_too_early_is_noticed(tmp_path: Path) -> None:
    assert lived(tmp_path / "server", ("revoke", "revoke"), ("tests.fault.broken_server", "early", "serve")) > 0
