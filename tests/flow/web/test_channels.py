"""What a reader of a channel sees is what is read afterwards: through the whole server, over lost connections and a restart."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from rpsd.__main__ import run
from rpsd.client import Client, Events
from rpsd.core.access_errors import Forbidden, UnknownChannel
from tests.flow.web.conftest import SCOPES, Running, open_appliance, serve

MINUTE = 60 * 10**9
BASE = "/api/v1/series"


def post(http: httpx.Client, symbol: str, first: int, values: list[float]) -> None:
    body = {"t": [(first + k) * MINUTE for k in range(len(values))], "close": values}
    answer = http.post(f"{BASE}/{symbol}/1m/samples", json=body)
    assert answer.status_code == 200, answer.text


def walk(n: int) -> list[float]:
    return (100.0 + np.cumsum(np.random.default_rng(8).normal(0.0, 0.1, n))).tolist()


def begun(client: Client, channels: list[str], after: str | None = None) -> Events:
    """A stream that is heard from now on."""
    events = client.events(channels, after=after, patience=60.0)
    assert next(events)["type"] == "subscribe_confirmed"
    return events


def test_samples_and_live_values_are_told_as_they_are_read_over_lost_connections(running: Running, http: httpx.Client) -> None:
    prices, symbol = walk(120), "CHN.LIVE"
    post(http, symbol, 0, prices[:20])
    told = http.put(f"{BASE}/{symbol}/1m/live", json={"denoise": [{"column": "close", "method": "ema", "as": "smooth"}]})
    assert told.status_code == 200, told.text
    bars: list[Any] = []
    values: dict[str, float] = {}
    after = None
    with Client(running.base, key=running.keys["read"]) as client:
        for first in range(20, 120, 20):  # each stretch on a connection of its own
            events = begun(client, [f"samples:{symbol}:1m", f"denoise:{symbol.lower()}:1m"], after)
            for step in range(first, first + 20, 5):
                post(http, symbol, step, prices[step : step + 5])
                bar, smooth = next(events), next(events)  # in the order of their publishing
                assert (bar["channel"], smooth["channel"]) == (f"samples:{symbol}:1m", f"denoise:{symbol}:1m")
                bars.append(bar["data"])
                values |= dict(zip(smooth["data"]["t"], smooth["data"]["values"], strict=True))
            after = events.last_id
            events.close()
    found = http.get(f"{BASE}/{symbol}/1m/samples?columns=close,smooth&limit=1000").json()
    assert [bar["inserted"] for bar in bars] == [5] * 20
    assert [bar["bar"]["t"] for bar in bars] == found["t"][24::5]
    assert [bar["bar"]["close"] for bar in bars] == found["close"][24::5]
    assert bars[-1]["last"] == found["t"][-1]
    assert values == dict(zip(found["t"][20:], found["smooth"][20:], strict=True))


def test_what_happened_between_two_connections_is_told_by_the_second(running: Running, http: httpx.Client) -> None:
    post(http, "CHN.GAP", 0, [1.0])
    with Client(running.base, key=running.keys["read"]) as client:
        events = begun(client, ["samples:CHN.GAP:1m"])
        post(http, "CHN.GAP", 1, [2.0])
        assert next(events)["data"]["bar"]["close"] == 2.0
        events.close()
        for number in range(2, 6):
            post(http, "CHN.GAP", number, [number + 1.0])
        later = begun(client, ["samples:CHN.GAP:1m"], events.last_id)
        assert [next(later)["data"]["bar"]["close"] for _ in range(4)] == [3.0, 4.0, 5.0, 6.0]
        later.close()


def test_a_job_is_followed_to_its_end(running: Running, http: httpx.Client) -> None:
    with Client(running.base, key=running.keys["read"]) as client:
        events = begun(client, ["jobs"])
        asked = http.post("/api/v1/jobs/upkeep/run", json={}).json()["job"]
        while (frame := next(events))["data"]["job"]["id"] != asked["id"]:
            pass
        assert frame["data"] == {"event": "queued", "job": {name: value for name, value in asked.items() if name != "result"}}
        http.delete(f"/api/v1/jobs/{asked['id']}")  # this server has no scheduler
        while (frame := next(events))["data"]["job"]["id"] != asked["id"]:
            pass
        found = http.get(f"/api/v1/jobs/{asked['id']}").json()
        found = found.get("job", found)
        assert frame["data"] == {"event": "ended", "job": {name: value for name, value in found.items() if name != "result"}}
        events.close()


def test_scopes_and_names_are_those_of_the_catalogue(running: Running) -> None:
    with Client(running.base, key=running.keys["read"]) as client:
        with pytest.raises(Forbidden):
            next(client.events(["prediction:CHN"]))
        with pytest.raises(UnknownChannel):
            next(client.events(["weather"]))
    with Client(running.base, key=running.keys["predict"]) as client, pytest.raises(Forbidden):
        next(client.events(["jobs"]))


def test_the_command_prints_a_line_for_each_frame(running: Running, http: httpx.Client) -> None:
    post(http, "CHN.CLI", 0, [1.0])
    ended, number = threading.Event(), 0

    def go_on_posting() -> None:
        nonlocal number
        while not ended.wait(0.05):
            number += 1
            post(http, "CHN.CLI", number, [number + 1.0])

    for options in ([], ["--json"]):
        ended.clear()
        thread = threading.Thread(target=go_on_posting)
        thread.start()
        try:  # a process of its own: this one's server logs to the same output
            command = [sys.executable, "-m", "rpsd", "events", "samples:chn.cli:1m", "--count", "3", *options]
            environ = os.environ | {"RPSD_DATA_DIR": str(running.services.settings.storage.data_dir)}
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
        finally:
            ended.set()
            thread.join()
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        if options:
            frames = [json.loads(line) for line in lines]
            assert [frame["type"] for frame in frames] == ["subscribe_confirmed", "data", "data"]
            assert frames[2]["sequence"] == frames[1]["sequence"] + 1
        else:
            assert "samples:CHN.CLI:1m" in lines[1]
            assert "symbol=CHN.CLI" in lines[1]


def test_the_command_says_at_once_that_no_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setenv("RPSD_DATA_DIR", str(tmp_path))
    assert run(["events", "jobs"]) == 75
    assert "does not answer" in capfd.readouterr().err


def test_a_reader_goes_on_over_a_restart_and_reads_what_it_missed(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    prices, seen, key, gaps = walk(60), dict[str, float](), "", 0
    heard, ended = threading.Event(), threading.Event()

    def read() -> None:
        nonlocal gaps
        with Client(f"http://127.0.0.1:{port}", key=key) as client:
            for frame in client.events(["samples:A:1m"], patience=60.0):
                if frame["type"] == "subscribe_confirmed":
                    heard.set()
                elif frame["type"] == "gap":
                    gaps += 1
                    found = client.ask("GET", f"{BASE}/A/1m/samples", params={"limit": 1000})
                    seen.update(zip(found["t"], found["close"], strict=True))
                else:
                    seen[frame["data"]["bar"]["t"]] = frame["data"]["bar"]["close"]
                    if len(seen) == 60:
                        ended.set()
                        return

    reader = threading.Thread(target=read)
    for life in range(2):
        services = open_appliance(tmp_path, {"RPSD_SERVER__PORT": str(port)})
        server, thread = serve(services)
        key = key or services.access.create("read", SCOPES[:2], by="test")[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": key}, timeout=60) as http:
            if life == 0:
                reader.start()
            else:
                for number in range(20, 40):  # nobody hears these
                    post(http, "A", number, [prices[number]])
            assert heard.wait(60)
            heard.clear()
            for number in range(0, 20) if life == 0 else range(40, 60):
                post(http, "A", number, [prices[number]])
            until = time.monotonic() + 60
            while life == 0 and len(seen) < 20 and time.monotonic() < until:
                time.sleep(0.01)
            if life == 1:
                assert ended.wait(60)
                stored = http.get(f"{BASE}/A/1m/samples?limit=1000").json()
        server.stop()
        thread.join(30)
        services.close()
    reader.join(30)
    assert seen == dict(zip(stored["t"], stored["close"], strict=True))
    assert gaps == 1
