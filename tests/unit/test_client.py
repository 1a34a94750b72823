"""The Python client against a server that answers what it is told to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from rpsd.client import Client, rebuilt
from rpsd.core.book import Tape
from rpsd.core.errors import ERRORS, InternalError, LockedOut, RateLimited, TooShort, Unavailable
from rpsd.core.frame import encoded


class Teller(ThreadingHTTPServer):
    """Answers every request with what stands in `answers`, and keeps what it was asked."""

    answers: list[tuple[int, dict[str, str], bytes]]
    asked: list[tuple[str, str, dict[str, str], bytes]]


class _Handler(BaseHTTPRequestHandler):
    server: Teller

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, headers, answer = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(answer))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def teller() -> Iterator[Teller]:
    server = Teller(("127.0.0.1", 0), _Handler)
    server.answers, server.asked = [], []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(teller: Teller) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{teller.server_port}", key="rpsd_a_b", timeout=5) as found:
        yield found


def tell(teller: Teller, status: int, body: Any, **headers: str) -> None:
    teller.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_code_comes_back_as_its_class(error: type) -> None:
    assert type(rebuilt(400, {"code": error.code, "detail": "d"})) is error  # type: ignore[attr-defined]


def test_a_problem_keeps_detail_hint_and_faults(teller: Teller, client: Client) -> None:
    problem = {"code": "too_short", "detail": "3 points", "hint": "Send more.", "errors": [{"pointer": "/values", "reason": "3 of 16"}]}
    tell(teller, 422, problem)
    with pytest.raises(TooShort) as caught:
        client.denoise([1.0, 2.0, 3.0], method="ema")
    error = caught.value
    assert (error.detail, error.advice, error.errors[0].pointer) == ("3 points", "Send more.", "/values")
    method, path, headers, body = teller.asked[0]
    assert (method, path, headers["X-API-Key"]) == ("POST", "/api/v1/denoise", "rpsd_a_b")
    assert json.loads(body) == {"values": [1.0, 2.0, 3.0], "method": "ema"}


def patient(teller: Teller, slept: list[float]) -> Client:
    return Client(f"http://127.0.0.1:{teller.server_port}", key="rpsd_a_b", timeout=5, patience=10.0, sleep=slept.append)


def refuse(teller: Teller, wait: int, code: str = "rate_limited") -> None:
    tell(teller, 429, {"code": code, "detail": "slow down"}, Retry_After=str(wait))


def test_a_call_that_came_too_early_is_made_again_when_it_may(teller: Teller) -> None:
    slept: list[float] = []
    refuse(teller, 7)
    refuse(teller, 3)
    tell(teller, 200, {"values": []})
    refuse(teller, 2)
    teller.answers.append((200, {}, b"t,close\n"))
    with patient(teller, slept) as client:
        client.denoise([1.0])
        with client.stream("/api/v1/series/A/1d/samples") as answer:
            assert answer.read() == b"t,close\n"
    assert slept == [7.0, 3.0, 2.0]
    assert len({body for _, _, _, body in teller.asked[:3]}) == 1


def test_a_wait_beyond_its_patience_is_the_callers_business(teller: Teller) -> None:
    slept: list[float] = []
    refuse(teller, 7)
    refuse(teller, 4)
    with patient(teller, slept) as client, pytest.raises(RateLimited) as caught:
        client.ask("GET", "/api/v1/jobs")
    assert (slept, caught.value.retry_after) == ([7.0], 4.0)


@pytest.mark.parametrize("code", ["locked_out", "unavailable"])
def test_nothing_else_is_tried_again(teller: Teller, code: str) -> None:
    slept: list[float] = []
    refuse(teller, 1, code)
    with patient(teller, slept) as client, pytest.raises((LockedOut, Unavailable)):
        client.ask("GET", "/api/v1/jobs")
    assert slept == []


def test_a_body_that_is_gone_cannot_be_sent_again(teller: Teller) -> None:
    slept: list[float] = []
    refuse(teller, 1)
    with patient(teller, slept) as client, pytest.raises(RateLimited):
        client.request("POST", "/api/v1/books/A/snapshots", content=iter([b""]), headers={"Content-Length": "0"})
    assert slept == []


def test_an_answer_that_is_no_problem_is_an_internal_error(teller: Teller, client: Client) -> None:
    teller.answers.append((502, {}, b"<html>bad gateway</html>"))
    with pytest.raises(InternalError, match="502"):
        client.models()


def test_lists_are_read_to_their_end(teller: Teller, client: Client) -> None:
    tell(teller, 200, {"series": [{"symbol": "A"}], "next": "cursor"})
    tell(teller, 200, {"series": [{"symbol": "B"}], "next": None})
    assert [row["symbol"] for row in client.series()] == ["A", "B"]
    assert "after=cursor" in teller.asked[1][1]


def test_an_unhealthy_server_is_an_answer(teller: Teller, client: Client) -> None:
    tell(teller, 503, {"status": "unhealthy"})
    assert client.health()["status"] == "unhealthy"


def test_a_server_that_is_gone() -> None:
    with Client("http://127.0.0.1:9", timeout=2) as client, pytest.raises(Unavailable, match="does not answer"):
        client.models()


def test_csv_streams_both_ways(teller: Teller, client: Client) -> None:
    tell(teller, 422, {"code": "too_short", "detail": "d"})
    with pytest.raises(TooShort):
        list(client.samples_csv("A", "1d", start=None))
    teller.answers.append((200, {}, b"t,close\n2026-01-01,1\n"))
    assert b"".join(client.samples_csv("A", "1d", columns="close")) == b"t,close\n2026-01-01,1\n"
    assert teller.asked[1][1].endswith("samples?columns=close&limit=1000000")
    teller.answers.append((200, {"Rpsd-Next": "17"}, b"t,close\n1,1\n"))
    teller.answers.append((200, {}, b"t,close\n17,2\n"))
    assert b"".join(client.samples_csv("A", "1d")) == b"t,close\n1,1\n17,2\n"
    assert teller.asked[3][1].endswith("samples?limit=1000000&start=17")
    teller.answers.append((200, {"Rpsd-Next": "17"}, b"t,close\n1,1\n"))
    assert b"".join(client.samples_csv("A", "1d", limit=1)) == b"t,close\n1,1\n"


def test_octets(teller: Teller, client: Client) -> None:
    import numpy as np

    y = np.array([1.0, 2.5])
    teller.answers.append((200, {"Rpsd-Result": '{"method": "ema"}'}, y.tobytes()))
    values, result = client.denoise_array(y, method="ema")
    assert values.tolist() == [1.0, 2.5]
    assert result == {"method": "ema"}
    assert teller.asked[0][3] == y.tobytes()


def test_books_are_fed_as_records_frames_and_files(teller: Teller, client: Client) -> None:
    tape = Tape.of_quotes(np.array([5]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    for _ in range(5):
        tell(teller, 200, {"accepted": 1})
    client.feed_book("X", [{"timestamp": 5, "bid": 1.0}], "quotes", on_error="skip")
    client.feed_book("X", {"timestamp": [5], "bid": [1.0]}, "quotes")
    client.feed_book_tape("X", tape, 0.5)
    client.import_book("X", iter([b"a,", b"b"]), "lobster", date="2012-06-21", tz=None)
    assert client.book("X") == {"accepted": 1}
    paths = [path for _, path, _, _ in teller.asked]
    feeds = ["quotes?on_error=skip", "quotes", "snapshots", "snapshots?format=lobster&date=2012-06-21"]
    assert paths == [*(f"/api/v1/books/X/{feed}" for feed in feeds), "/api/v1/books/X"]
    bodies = [body for _, _, _, body in teller.asked]
    assert (json.loads(bodies[0]), json.loads(bodies[1])) == ([{"timestamp": 5, "bid": 1.0}], {"timestamp": [5], "bid": [1.0]})
    assert bodies[2] == encoded(tape, 0.5)
