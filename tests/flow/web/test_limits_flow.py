"""Limits through the front door: headers, refusals, who is counted as whom, and what a fit costs."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.flow.web.conftest import Launch, Running

SERIES = "/api/v1/series"


@pytest.fixture(scope="module")
def narrow(launch: Launch) -> Running:
    """A server with limits that a test can use up."""
    limits = {"read": "1000/h", "predict": "5/h", "ingest": "5/h", "train": "2/h", "public": "30/h"}
    proxies = {"SERVER__TRUSTED_PROXIES": "127.0.0.1", "MONITORING__METRICS_ALLOW": "127.0.0.0/8"}
    return launch(**{f"LIMITS__{kind.upper()}": rate for kind, rate in limits.items()}, **proxies)


@pytest.fixture
def desk(narrow: Running, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client with a key of its own."""
    _, key = narrow.services.access.create(request.node.name[:60], ["read", "ingest", "predict", "train"], by="test")
    with httpx.Client(base_url=narrow.base, headers={"x-api-key": key}, timeout=60) as client:
        yield client


def stranger(narrow: Running, address: str) -> httpx.Client:
    """A client without a key, of an address that a trusted proxy tells."""
    return httpx.Client(base_url=narrow.base, headers={"x-forwarded-for": address})


def left(answer: httpx.Response) -> int:
    return int(answer.headers["ratelimit-remaining"])


def test_every_limited_answer_says_what_is_left(desk: httpx.Client) -> None:
    first, second, missing = desk.get(SERIES), desk.get(SERIES), desk.get(f"{SERIES}/NONE/1d")
    assert [left(answer) for answer in (first, second, missing)] == [999, 998, 997]
    assert missing.status_code == 404
    assert first.headers["ratelimit-limit"] == "1000"
    assert first.headers["ratelimit-policy"] == "1000;w=3600"
    assert 1 <= int(first.headers["ratelimit-reset"]) <= 4


def test_a_key_that_calls_too_often_is_told_when_to_come_back(narrow: Running, desk: httpx.Client) -> None:
    answers = [desk.post("/api/v1/denoise", json={"values": [1.0] * 64}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
    assert 700 < int(refused.headers["retry-after"]) <= 720
    assert left(refused) == 0
    assert desk.get(SERIES).status_code == 200  # another kind
    counted = narrow.services.metrics.registry.get_sample_value
    assert (counted("rpsd_rate_limited_total", {"kind": "predict"}) or 0.0) >= 1.0


def test_a_key_without_the_scope_is_counted_too(narrow: Running) -> None:
    _, key = narrow.services.access.create("only reads", ["read"], by="test")
    with httpx.Client(base_url=narrow.base, headers={"x-api-key": key}) as client:
        codes = [client.post("/api/v1/denoise", json={"values": [1.0] * 64}).status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]


def test_a_limit_of_its_own_counts_all_calls_of_a_key(narrow: Running) -> None:
    _, key = narrow.services.access.create("three a minute", ["read", "predict"], by="test", limit=3)
    with httpx.Client(base_url=narrow.base, headers={"x-api-key": key}) as client:
        codes = [client.get(SERIES).status_code, client.post("/api/v1/denoise", json={"values": [1.0] * 64}).status_code]
        codes += [client.get(SERIES).status_code, client.get(SERIES).status_code]
    assert codes == [200, 200, 200, 429]


@pytest.mark.parametrize("path", ["/docs", "/nowhere", "/api/v1/series", "/manual", "/openapi.json", "/api/v1/denoise"])
def test_calls_without_a_key_are_counted_by_address_whatever_they_ask(narrow: Running, path: str) -> None:
    address = f"192.0.2.{1 + len(path)}"
    with stranger(narrow, address) as client:
        answers = [client.get(path) for _ in range(31)]
    assert {answer.status_code for answer in answers[:30]} <= {200, 401, 404, 405}
    assert answers[30].status_code == 429
    assert answers[30].headers["ratelimit-policy"] == "30;w=3600"


def test_wrong_keys_are_counted_by_address_and_a_right_one_from_there_still_works(narrow: Running, desk: httpx.Client) -> None:
    address = {"x-forwarded-for": "192.0.2.200"}
    wrong = address | {"x-api-key": "rpsd_00000000_" + "0" * 32}
    assert desk.get(SERIES, headers=address).status_code == 200  # a key that has worked from there is not locked out with the others
    with httpx.Client(base_url=narrow.base) as client:
        codes = [client.get(SERIES, headers=wrong).status_code for _ in range(31)]
    assert codes[30] == 429
    assert desk.get(SERIES, headers=address).status_code == 200


def test_what_an_untrusted_peer_says_about_itself_changes_nothing(launch: Launch) -> None:
    plain = launch(LIMITS__PUBLIC="5/h")
    with httpx.Client(base_url=plain.base) as client:
        codes = [client.get("/docs", headers={"x-forwarded-for": f"192.0.2.{k}"}).status_code for k in range(6)]
    assert codes == [200] * 5 + [429]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/api/v1/health", "/metrics"])
def test_watching_is_free_from_where_it_is_allowed_and_counted_from_elsewhere(narrow: Running, path: str) -> None:
    with httpx.Client(base_url=narrow.base) as here, stranger(narrow, f"198.51.100.{len(path)}") as elsewhere:
        assert {here.get(path).status_code for _ in range(40)} <= {200, 503}
        assert "ratelimit-limit" not in here.get(path).headers
        assert [elsewhere.get(path).status_code for _ in range(31)][-1] == 429


def test_the_admin_socket_has_no_limit(narrow: Running) -> None:
    socket = str(narrow.services.settings.server.admin_socket)
    with httpx.Client(base_url="http://localhost", transport=httpx.HTTPTransport(uds=socket)) as client:
        answers = [client.get("/docs") for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200}


def test_a_fresh_detection_counts_as_a_fit_and_a_cached_one_as_a_read(desk: httpx.Client, prices: tuple[list[int], list[float]]) -> None:
    t, close = prices

    def detect(ticker: str) -> httpx.Response:
        body: dict[str, Any] = {"ticker": ticker, "start_date": t[0], "end_date": t[-1], "regime_type": "2_state"}
        return desk.post("/api/v1/detect-regimes", json=body | {"observations": {"t": t, "close": close}})

    fresh, cached = detect("LIMIT.A"), detect("LIMIT.A")
    assert (fresh.json()["cache"], fresh.headers["ratelimit-limit"]) == ("miss", "2")
    assert (cached.json()["cache"], cached.headers["ratelimit-limit"]) == ("hit", "1000")
    close = [*close[:-1], close[-1] + 1.0]
    assert detect("LIMIT.A").status_code == 200
    close = [*close[:-1], close[-1] + 1.0]
    assert detect("LIMIT.A").status_code == 429


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/series/" + "A" * 1010, 414),
        ("/api/v1/series?after=" + "a" * 8192, 414),
        ("/health?" + "a" * 8193, 414),
        ("/api/v1/series/" + "A" * 900, 404),
        ("/api/v1/series?after=" + "a" * 8000, 422),
    ],
)
def test_a_url_is_bounded_before_anything_looks_at_it(http: httpx.Client, path: str, status: int) -> None:
    answer = http.get(path)
    assert answer.status_code == status
    assert (answer.json()["code"] == "url_too_long") == (status == 414)


def test_probes_are_counted_where_other_origins_may_read_them_too(launch: Launch) -> None:
    settings = {"LIMITS__PUBLIC": "5/h", "SERVER__CORS_ORIGINS": "https://desk.example", "MONITORING__METRICS_ALLOW": "192.0.2.0/24"}
    with httpx.Client(base_url=launch(**settings).base) as client:
        assert [client.get("/health/live").status_code for _ in range(6)] == [200] * 5 + [429]


def test_what_is_refused_at_the_door_is_counted_by_address_too(narrow: Running) -> None:
    with stranger(narrow, "198.51.100.77") as elsewhere:
        codes = [elsewhere.get("/docs", headers={"host": "evil.example"}).status_code for _ in range(31)]
    assert codes == [403] * 30 + [429]
    handshake = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "A" * 22 + "=="}
    with stranger(narrow, "198.51.100.78") as elsewhere:
        codes = [elsewhere.get("/elsewhere", headers=handshake).status_code for _ in range(31)]
    assert codes == [404] * 30 + [429]
