"""`rpsd alerts` on a data directory without a server, and with one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.cli.live import Live
from rpsd.services.wiring import open_services
from tests.vendors import Vendors, serving, status

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def far() -> Iterator[Vendors]:
    with serving() as found:
        yield found


def receivers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *urls: str) -> None:
    """Settings that name them."""
    path = tmp_path / "config.yaml"
    listed = [{"url": url, "private": ["127.0.0.0/8"]} for url in urls]
    path.write_text(json.dumps({"alerts": {"webhooks": listed}}))
    path.chmod(0o600)
    monkeypatch.setenv("RPSD_CONFIG", str(path))


def test_alerts_are_listed_and_resolved(rpsd: Run) -> None:
    rpsd("init")
    assert "No alerts." in rpsd("alerts", "list")[1]
    from rpsd.config import read

    services = open_services(read())
    raised = services.alert.raise_("drift", "regime:A:1d:2_state", "HIGH", "it has drifted")
    services.close()
    [listed] = json.loads(rpsd("alerts", "list", "--state", "active", "--json")[1])["alerts"]
    assert listed["id"] == raised["id"]
    assert "it has drifted" in rpsd("alerts", "list")[1]
    assert rpsd("alerts", "resolve", str(raised["id"]))[1].strip() == "resolved drift of regime:A:1d:2_state"
    assert rpsd("alerts", "resolve", str(raised["id"]))[0] == 73
    assert rpsd("alerts", "resolve", "999")[0] == 66
    assert rpsd("alerts", "list", "--state", "gone")[0] == 65


def test_receivers_are_tested(rpsd: Run, far: Vendors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rpsd("init")
    code, out, _ = rpsd("alerts", "test")
    assert (code, "names no receiver" in out) == (0, True)
    receivers(monkeypatch, tmp_path, far.base + "/hook?token=hidden", far.base + "/other")
    code, out, err = rpsd("alerts", "test", "--json")
    assert (code, err) == (0, "")
    assert [one["delivered"] for one in json.loads(out)["receivers"]] == [True, True]
    assert "hidden" not in out
    far.instead = [status(500)]
    code, out, err = rpsd("alerts", "test")
    assert code == 75
    assert "answered 500" in out
    assert "did not take the message" in err
    assert len(far.posted) == 4


def test_the_same_is_asked_of_a_running_server() -> None:
    asked: list[Any] = []

    class Client:
        def ask(self, method: str, path: str, **options: Any) -> Any:
            asked.append((method, path, options))
            return {"alerts": [1], "receivers": [2]}

    live = Live(Client())  # type: ignore[arg-type]
    assert live.alerts("active") == [1]
    assert live.test_alerts() == [2]
    live.resolve_alert(7)
    assert asked == [
        ("GET", "/api/v1/admin/alerts", {"params": {"limit": 1000, "state": "active"}}),
        ("POST", "/api/v1/admin/alerts/test", {}),
        ("POST", "/api/v1/admin/alerts/7/resolve", {}),
    ]
