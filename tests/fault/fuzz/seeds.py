"""Valid requests for every operation, over the data of the demo and what `furnish` adds to it."""

import gzip
import json
import random
import struct
from typing import Any, Final

import msgspec

from tests.fault.fuzz.request import Request
from tests.fault.fuzz.routes import SCOPES
from tests.fault.fuzz.seed import CSV, MODEL, MSGPACK, NDJSON, OCTETS, Bindings, Seed, page, read
from tests.fault.fuzz.seeds_admin import access, admin, system
from tests.fault.victim import Victim

DAY_NS: Final = 86_400_000_000_000
_FIRST_NS: Final = 1_704_067_200_000_000_000  # 2024-01-01


def _prices(n: int) -> list[float]:
    rng = random.Random(5)
    level, found = 100.0, []
    for _ in range(n):
        level *= 1.0 + rng.gauss(0.0, 0.01)
        found.append(round(level, 4))
    return found


def _book(at: int) -> dict[str, Any]:
    middle = 100.0 + at % 7
    levels = range(1, 4)
    return {
        "timestamp": _FIRST_NS + at * 1_000_000_000,
        "bids": [[middle - k * 0.5, 1.0 + k] for k in levels],
        "asks": [[middle + k * 0.5, 2.0 + k] for k in levels],
    }


DAYS: Final = [_FIRST_NS + k * DAY_NS for k in range(120)]
CLOSES: Final = _prices(120)
BOOKS: Final = [_book(at) for at in range(5)]
QUOTES: Final = [{"timestamp": _FIRST_NS + k * 10**9, "bid": 99.5, "bid_size": 1.0, "ask": 100.5, "ask_size": 2.0} for k in range(4)]
TRADES: Final = [{"timestamp": _FIRST_NS + k * 10**9, "price": 100.0, "size": 1.5, "side": "buy"} for k in range(4)]
UPDATES: Final = [
    {"timestamp": _FIRST_NS + k * 10**9, "U": 100 + k, "u": 100 + k, "pu": 99 + k, "bids": [[99.0, 1.0]], "asks": [[101.0, 0.0]]}
    for k in range(4)
]
_SAMPLES: Final = {"t": DAYS[:20], "close": CLOSES[:20], "volume": [float(k) for k in range(20)]}
_ROWS: Final = [{"t": "2024-03-01T00:00:00Z", "close": 1.5}, {"t": "2024-03-02", "close": 2.5, "open": None}]
_CSV_ROWS: Final = b"date,open,close\n" + b"".join(b"2024-01-%02d,1.5,%d\n" % (k, k) for k in range(1, 9))
_LOBSTER: Final = b"34200.01,1,1,100,5850000,1,5860000,50,5850000,100\n34200.02,1,2,50,5860000,-1,5860000,100,5850000,100\n"
_TARDIS: Final = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount\nx,Y,1704067200000000,1704067200000001,1,buy,100.5,2\n"
_FRAME: Final = b"RPB1" + struct.pack("<BBHId12x", 1, 0, 0, 1, 0.5) + struct.pack("<q4d", _FIRST_NS, 99.5, 1.0, 100.5, 2.0)
_DENOISE: Final = {"values": CLOSES[:64], "t": DAYS[:64], "method": "ema", "causality": "causal", "params": {"span": 5}}
_DETECT: Final = {"ticker": "GOOG", "start_date": "2020-01-01", "end_date": "2020-04-01", "regime_type": "2_state", "observations": CLOSES}
_STORED: Final = {"ticker": "FUZZ", "start_date": "2024-01-01", "end_date": "2024-04-01", "regime_type": "2_state"}
_SERIES: Final = "/api/v1/series/FUZZ/1d"
_REGIME: Final = "/api/v1/models/regime:^GSPC:1d:3_state"
_VIEW: Final = "/api/v1/feature-views/core_technical"
_P: Final = "/api/v1"


def _seeds() -> tuple[Seed, ...]:
    return (*_series(), *_books(), *_numbers(), *_regimes(), *_models(), *_runs(), *_features(), *system(), *admin(), *access())


def _series() -> tuple[Seed, ...]:
    place = "/api/v1/series/{symbol}/{interval}"
    post = f"POST {place}/samples"
    many = [b'{"t":%d,"close":%d}' % (t, k) for k, t in enumerate(DAYS[:9])]
    return (
        page("/api/v1/series"),
        read(place, _SERIES),
        read(f"{place}/samples", f"{_SERIES}/samples", start="2024-01-05", end="2024-02-01", columns="close", limit="10", time="ns"),
        Seed(f"GET {place}/samples", f"{_SERIES}/samples", query=(("as_of", "2030-01-01"),), headers=((b"accept", CSV),)),
        Seed(f"GET {place}/samples", f"{_SERIES}/samples", headers=((b"accept", NDJSON), (b"accept-encoding", b"gzip"))),
        Seed(post, "/api/v1/series/FUZZ.A/1d/samples", _SAMPLES, headers=((b"idempotency-key", b"fuzz-1"),)),
        Seed(post, "/api/v1/series/FUZZ.B/1d/samples", {"rows": _ROWS}, query=(("on_error", "skip"),)),
        Seed(post, "/api/v1/series/FUZZ.C/1d/samples", _CSV_ROWS, CSV, query=(("date_format", "%Y-%m-%d"), ("tz", "UTC"))),
        Seed(post, "/api/v1/series/FUZZ.D/1d/samples", b"\n".join(many), NDJSON),
        Seed(post, "/api/v1/series/FUZZ.E/1d/samples", msgspec.msgpack.encode(_SAMPLES), MSGPACK),
        Seed(post, "/api/v1/series/FUZZ.F/1d/samples", gzip.compress(_CSV_ROWS, mtime=0), CSV, headers=((b"content-encoding", b"gzip"),)),
        Seed(f"DELETE {place}", "/api/v1/series/FUZZ.F/1d"),
        Seed(
            f"POST {place}/denoise", f"{_SERIES}/denoise", {"column": "close", "start": "2024-01-05", "method": "ema", "save_as": "smooth"}
        ),
        Seed(f"PUT {place}/live", "/api/v1/series/FUZZ.A/1d/live", {"denoise": [{"column": "close", "method": "ema"}], "regime": False}),
        Seed(f"GET {place}/live", "/api/v1/series/FUZZ.A/1d/live"),
        Seed(f"DELETE {place}/live", "/api/v1/series/FUZZ.B/1d/live"),
    )


def _books() -> tuple[Seed, ...]:
    place = "/api/v1/books/{symbol}"
    lines = b"\n".join(json.dumps(row).encode() for row in BOOKS)
    columns = {"timestamp": DAYS[:2], **{name: [[1.0], [1.0]] for name in ("bid_prices", "bid_sizes", "ask_sizes")}}
    return (
        page("/api/v1/books"),
        read("/api/v1/book-features"),
        read(place, "/api/v1/books/BTC-USDT"),
        read(f"{place}/faults", "/api/v1/books/FUZZ-BOOK/faults", limit="5"),
        read(f"{place}/features", "/api/v1/books/BTC-USDT/features", limit="20", time="ns", bar="1s", window="20"),
        Seed(f"POST {place}/snapshots", "/api/v1/books/FUZZ-BOOK/snapshots", BOOKS, query=(("tick", "0.5"), ("on_error", "skip"))),
        Seed(f"POST {place}/snapshots", "/api/v1/books/FUZZ-A/snapshots", lines, NDJSON),
        Seed(f"POST {place}/snapshots", "/api/v1/books/FUZZ-B/snapshots", columns | {"ask_prices": [[2.0], [2.0]]}),
        Seed(
            f"POST {place}/snapshots",
            "/api/v1/books/FUZZ-C/snapshots",
            _LOBSTER,
            CSV,
            query=(("format", "lobster"), ("date", "2024-01-02")),
        ),
        Seed(f"POST {place}/updates", "/api/v1/books/FUZZ-D/updates", UPDATES, query=(("tick", "0.5"),)),
        Seed(f"POST {place}/quotes", "/api/v1/books/FUZZ-E/quotes", QUOTES),
        Seed(f"POST {place}/quotes", "/api/v1/books/FUZZ-F/quotes", _FRAME, OCTETS),
        Seed(f"POST {place}/trades", "/api/v1/books/FUZZ-G/trades", TRADES, headers=((b"idempotency-key", b"fuzz-2"),)),
        Seed(f"POST {place}/trades", "/api/v1/books/FUZZ-H/trades", _TARDIS, CSV, query=(("format", "tardis"),)),
        Seed(f"DELETE {place}", "/api/v1/books/FUZZ-H"),
        Seed(f"POST {place}/train", "/api/v1/books/FUZZ-BOOK/train", {"label": "horizon_events", "horizon": 10}, often=0.1),
        Seed(
            f"POST {place}/backtest", "/api/v1/books/FUZZ-BOOK/backtest", {"taker_fee_bps": 1.0, "maker_fee_bps": 0.5, "seed": 3}, often=0.1
        ),
        *(
            Seed(f"POST {root}/predict", f"{root}/predict", {"symbol": "BTC-USDT", "snapshots": BOOKS, "include_features": True})
            for root in ("", _P)
        ),
        *(Seed(f"POST {root}/predict", f"{root}/predict", {"symbol": "BTC-USDT"}) for root in ("", _P)),
        *(read(f"{root}/predict", symbol="BTC-USDT", include_features="true") for root in ("", _P)),
    )


def _numbers() -> tuple[Seed, ...]:
    floats = struct.pack("<64d", *CLOSES[:64])
    two = [{"method": "ema", "params": {"span": 4}}, {"method": "haar_causal"}]
    options = (("method", "ema"), ("params", '{"span":5}'), ("causality", "causal"))
    return (
        read("/api/v1/denoise/methods"),
        Seed("POST /api/v1/denoise", "/api/v1/denoise", _DENOISE),
        Seed("POST /api/v1/denoise", "/api/v1/denoise", {"values": CLOSES[:64], "guardrails": {"rmse_threshold": 0.5}, "fill": "bridge"}),
        Seed("POST /api/v1/denoise", "/api/v1/denoise", msgspec.msgpack.encode(_DENOISE), MSGPACK, headers=((b"accept", MSGPACK),)),
        Seed("POST /api/v1/denoise", "/api/v1/denoise", floats, OCTETS, query=options, headers=((b"accept", OCTETS),)),
        Seed(
            "POST /api/v1/denoise/batch", "/api/v1/denoise/batch", {"series": [{"id": "a", "values": CLOSES[:32]}, _DENOISE], "band": True}
        ),
        Seed(
            "POST /api/v1/denoise/compare",
            "/api/v1/denoise/compare",
            {"series": {"symbol": "FUZZ", "interval": "1d"}, "configurations": two, "endpoints": 2},
        ),
        Seed(
            "POST /api/v1/denoise/search",
            "/api/v1/denoise/search",
            {"values": CLOSES * 3, "method": "ema", "grid": {"span": [3, 5]}},
            often=0.1,
        ),
    )


def _regimes() -> tuple[Seed, ...]:
    place = "/api/v1/regimes/{symbol}"
    one = "/api/v1/regimes/%5EGSPC"
    return (
        Seed("POST /api/v1/detect-regimes", "/api/v1/detect-regimes", _DETECT),
        Seed("POST /api/v1/detect-regimes", "/api/v1/detect-regimes", _STORED),
        Seed("POST /api/v1/regimes/current", "/api/v1/regimes/current", {"symbols": ["^GSPC", "GOOG"], "interval": "1d"}),
        read(place, one, interval="1d", regime_type="3_state"),
        read(f"{place}/history", f"{one}/history", start="2018-01-01", limit="10"),
        read(f"{place}/statistics", f"{one}/statistics", interval="1d"),
        read(f"{place}/transitions", f"{one}/transitions", steps="5"),
    )


def _models() -> tuple[Seed, ...]:
    place = "/api/v1/models/{name}"
    why = {"reason": "fuzz"}
    return (
        page("/api/v1/models"),
        Seed("POST /api/v1/models/import", "/api/v1/models/import", MODEL, OCTETS, often=0.5),
        *(read(f"{place}{tail}", f"{_REGIME}{tail}") for tail in ("", "/aliases", "/lineage", "/shadow", "/versions")),
        read(f"{place}/versions/{{version}}/file", f"{_REGIME}/versions/1/file"),
        Seed(f"POST {place}/aliases", f"{_REGIME}/aliases", {"alias": "mine", "version": 1}),
        Seed(f"DELETE {place}/aliases/{{alias}}", f"{_REGIME}/aliases/mine"),
        Seed(f"POST {place}/promote", f"{_REGIME}/promote", {"version": 1, "expected": 1, **why}, expects=409),
        Seed(f"POST {place}/rollback", f"{_REGIME}/rollback", {"version": 1, **why}, expects=409),
        Seed(f"POST {place}/stage", f"{_REGIME}/stage", {"version": 1, "stage": "archived", **why}, expects=409),
        Seed(f"POST {place}/retrain", "/api/v1/models/regime:FUZZ:1d:2_state/retrain", often=0.05),
        page("/api/v1/retraining/decisions", ("model", "regime:^GSPC:1d:3_state")),
        page("/api/v1/drift/reports", ("severity", "HIGH")),
        read("/api/v1/drift/reports/{report}", "/api/v1/drift/reports/1", expects=404),
        Seed("POST /api/v1/drift/scan", "/api/v1/drift/scan", {"models": ["regime:^GSPC:1d:3_state"]}, often=0.1),
    )


def _runs() -> tuple[Seed, ...]:
    home, run = "/api/v1/experiments/{experiment}", "/api/v1/runs/{run}"
    whole = {
        "name": "one", "params": {"l2": 0.1, "deep": True}, "tags": {"a": "b"}, "state": "FINISHED",
        "metrics": [{"name": "auc", "value": 0.7, "step": 1, "t": "2024-01-01T00:00:00Z"}],
    }  # fmt: skip
    return (
        page("/api/v1/experiments"),
        Seed("POST /api/v1/experiments", "/api/v1/experiments", {"name": "fuzz-more", "description": "d", "scope": "private"}),
        Seed(f"GET {home}", home),
        Seed(f"POST {home}", home, {"description": "words", "scope": "read"}),
        Seed(f"DELETE {home}", "/api/v1/experiments/fuzz-more"),
        read(f"{home}/export", home + "/export", root="/tmp/x"),
        read(f"{home}/runs", home + "/runs", limit="5", filter="metrics.auc > 0.5 and params.l2 = '0.1'", order_by="metrics.auc desc"),
        Seed(f"POST {home}/runs", f"{home}/runs", whole, often=0.3),
        page("/api/v1/runs", ("filter", "state = 'FINISHED'")),
        read("/api/v1/runs/compare", ids="{run}"),
        Seed(f"GET {run}", run),
        Seed(f"DELETE {run}", "/api/v1/runs/none", expects=404),
        read(f"{run}/artifacts", run + "/artifacts", limit="5"),
        Seed(f"POST {run}/artifacts", f"{run}/artifacts", b"\x00\x01text", OCTETS, query=(("name", "a/b.bin"),)),
        Seed(f"GET {run}/artifacts/{{name}}", f"{run}/artifacts/a/b.bin"),
        Seed(f"POST {run}/finish", "/api/v1/runs/none/finish", {"state": "FINISHED"}, expects=404),
        read(f"{run}/metrics", run + "/metrics", name="auc", limit="5"),
        Seed(f"POST {run}/metrics", f"{run}/metrics", {"metrics": [{"name": "auc", "value": 0.7, "step": 1}]}),
        Seed(f"POST {run}/params", f"{run}/params", {"params": {"k": 3}}),
        Seed(f"POST {run}/tags", f"{run}/tags", {"tags": {"note": "first"}}),
    )


def _features() -> tuple[Seed, ...]:
    place = "/api/v1/feature-views/{view}"
    pairs = {"pairs": [["FUZZ:1d", "2024-03-01"], ["FUZZ", DAYS[70]]], "time": "ns"}
    return (
        page("/api/v1/features"),
        page("/api/v1/feature-views"),
        Seed("POST /api/v1/feature-views", "/api/v1/feature-views", {"name": "fuzz", "features": ["sma_3", "ema_12"]}),
        read(place, _VIEW),
        read(f"{place}/entities", f"{_VIEW}/entities", limit="5"),
        read(f"{place}/frame", f"{_VIEW}/frame", entity="FUZZ:1d", start="2024-02-01", end="2024-03-01", limit="10"),
        Seed(f"POST {place}/frame", f"{_VIEW}/frame", pairs),
        read(f"{place}/vector", f"{_VIEW}/vector", entity="FUZZ:1d", as_of="2024-04-01"),
        Seed(f"POST {place}/materialize", f"{_VIEW}/materialize", {"entities": ["FUZZ:1d"]}, often=0.1),
    )


SEEDS: Final = _seeds()


def furnish(server: Victim) -> Bindings:
    """Fill the running server with what the seeds speak of; the keys and ids to send them with."""
    server.json("POST", "/api/v1/series/FUZZ/1d/samples", {"t": DAYS, **dict.fromkeys(("open", "high", "low", "close", "volume"), CLOSES)})
    server.json("POST", "/api/v1/books/FUZZ-BOOK/snapshots?tick=0.5", BOOKS)
    found = Bindings(server.port)
    for scope in SCOPES:
        made = server.json("POST", "/api/v1/admin/keys", {"name": f"fuzz-{scope}", "scopes": [scope], "limit": 10_000_000})
        found.keys[scope] = made["key"]
    every = server.json("POST", "/api/v1/admin/keys", {"name": "fuzz-all", "scopes": list(SCOPES), "limit": 10_000_000})
    found.keys["all"] = every["key"]
    home = server.json("POST", "/api/v1/experiments", {"name": "fuzz-home"})
    run = server.json("POST", f"/api/v1/experiments/{home['id']}/runs", {"name": "held", "params": {"l2": 0.1}})
    server.json("POST", f"/api/v1/runs/{run['id']}/metrics", {"metrics": [{"name": "auc", "value": 0.7}]})
    found.places = {"experiment": str(home["id"]), "run": str(run["id"])}
    found.model = server.ask("GET", f"{_REGIME}/versions/1/file")[1]
    return found


def request_of(seed: Seed, bindings: Bindings, scope: str) -> Request:
    """The seed as a request, with the key of the scope."""

    def bound(text: str) -> bytes:
        for place, value in bindings.places.items():
            text = text.replace("{" + place + "}", value)
        return text.encode()

    query = [(name.encode(), _encoded(bound(value))) for name, value in seed.query]
    headers = [(b"host", b"127.0.0.1:%d" % bindings.port), *seed.headers]
    if scope:
        headers.append((b"x-api-key", bindings.keys[scope].encode()))
    if seed.body is not None:
        headers.append((b"content-type", seed.kind))
    return Request(seed.method, bound(seed.path), query, headers, bindings.model if seed.body is MODEL else seed.content())


def _encoded(value: bytes) -> bytes:
    return b"".join(b"%c" % byte if chr(byte).isalnum() or byte in b"-._~:,/" else b"%%%02X" % byte for byte in value)


def tend(server: Victim, bindings: Bindings) -> None:
    """Put back what spoilt requests have removed."""
    closes = dict.fromkeys(("open", "high", "low", "close", "volume"), CLOSES)
    server.ask("POST", "/api/v1/series/FUZZ/1d/samples", {"t": DAYS, **closes})
    server.ask("POST", "/api/v1/books/FUZZ-BOOK/snapshots?tick=0.5&on_error=skip", BOOKS)
    if server.ask("GET", f"/api/v1/runs/{bindings.places['run']}")[0] != 200:
        server.ask("POST", "/api/v1/experiments", {"name": "fuzz-home"})
        status, content = server.ask("POST", "/api/v1/experiments/fuzz-home/runs", {"name": "held"})
        if status == 201:
            bindings.places = {"experiment": "fuzz-home", "run": str(json.loads(content)["id"])}
