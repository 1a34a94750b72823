"""Whether the time of a refusal tells why a key was refused: python -m tests.bench.bench_verify.

Five kinds of keys that fail are refused in turn, in an order drawn anew for each round: of an unknown id, with a secret wrong in its first
digit or in its last, expired, revoked. Each kind has 10,000 keys, refused ten times each. Of each pair of kinds Welch's t is taken over
the mean times of the keys, cropped at the pooled median, 90th and 99th percentile, since a busy machine lengthens a few calls a
thousandfold; the largest |t| counts. With 30 such figures and no difference at all, one above 4.5 has a chance below 1 in 4,000.

The failing control is the same measurement of a check that looks a key up by its id and compares its secret until the first difference.
An expired key is let go of at its first refusal, which only the holder of its whole secret can bring about; that time is not measured.
Source: Reparaz, Balasch and Verbauwhede (2017), Dude, is my code constant time?, DATE 2017.
"""

import gc
import itertools
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rpsd.config import read
from rpsd.core.errors import Unauthenticated
from rpsd.core.market import SECOND_NS, Vector
from rpsd.services.access.keyring import Keyring
from rpsd.services.access.service import AccessService
from rpsd.store import key as rows
from rpsd.store.db import Connection, Database
from rpsd.store.key import KeyRow
from rpsd.telemetry import Metrics
from tests.bench.harness import bar

EACH = 10_000
SAMPLES = 100_000
PEPPER = bytes(range(32))
CROPS = (0.5, 0.9, 0.99)
Tokens = Mapping[str, Sequence[str]]


def flipped(token: str, place: int) -> str:
    """The token with another hexadecimal digit at a place of its secret."""
    at = len("rpsd_00000000_") + place
    return f"{token[:at]}{(int(token[at], 16) + 1) % 16:x}{token[at + 1 :]}"


def stored(database: Database, now_ns: int) -> dict[str, list[str]]:
    """Keys in the database, by kind: good ones, and such as have expired or were revoked by now_ns + 1 s."""
    keyring = Keyring(database, PEPPER, lambda _: None)
    ends = {"good": (None, None), "also good": (None, None), "expired": (now_ns + SECOND_NS, None), "revoked": (None, now_ns)}
    found: dict[str, list[str]] = {}
    made = []
    for kind, (expires_ns, revoked_ns) in ends.items():
        for number in range(EACH):
            key_id, secret = secrets.token_hex(4), secrets.token_hex(16)
            found.setdefault(kind, []).append(f"rpsd_{key_id}_{secret}")
            made.append(KeyRow(key_id, f"{kind} {number}", keyring.hash(secret), ("read",), now_ns, expires_ns, revoked_ns))

    def write(c: Connection) -> None:
        for row in made:
            rows.add(c, row)

    database.write(write).result()
    return found


def kinds(found: Tokens) -> dict[str, list[str]]:
    """Keys that fail, by why they do."""
    return {
        "unknown id": [f"rpsd_{secrets.token_hex(4)}_{secrets.token_hex(16)}" for _ in range(EACH)],
        "first digit wrong": [flipped(token, 0) for token in found["good"]],
        "last digit wrong": [flipped(token, 31) for token in found["also good"]],  # the same digits twice in a round are read faster
        "expired": list(found["expired"]),
        "revoked": list(found["revoked"]),
    }


def times(check: Callable[[str], object], tokens: Tokens) -> dict[str, Vector]:
    """Nanoseconds of SAMPLES refusals of each kind."""
    order, clock = list(tokens), time.perf_counter_ns
    taken: dict[str, list[int]] = {kind: [] for kind in order}
    shuffled = random.Random(7)
    gc.disable()
    for number in range(-EACH, SAMPLES):  # the first of each key are not counted
        shuffled.shuffle(order)
        for kind in order:
            token = tokens[kind][number % EACH] + "."
            token = token[:-1]  # a new text: one that was seen before has its hash and its place in the processor's cache
            begin = clock()
            try:
                check(token)
            except Unauthenticated:
                end = clock()
            taken[kind].append(end - begin)
    gc.enable()
    return {kind: np.array(values[-SAMPLES:], np.float64) for kind, values in taken.items()}


def signal(taken: Mapping[str, Vector]) -> tuple[float, str]:
    """The largest |t| of any pair at any crop, and which pair it was."""
    pooled = np.concatenate(list(taken.values()))
    worst, where = 0.0, ""
    for crop in CROPS:
        bound = np.quantile(pooled, crop)
        kept = {kind: of_each_key(values, bound) for kind, values in taken.items()}
        for a, b in itertools.combinations(kept, 2):
            if min(kept[a].size, kept[b].size) < EACH // 100:
                return np.inf, f"{a} against {b}: hardly any of one below the quantile {crop:g}"
            t = welch(kept[a], kept[b])
            if t > worst:
                worst, where = t, f"{a} against {b}, below the quantile {crop:g}"
    return worst, where


def of_each_key(values: Vector, bound: float) -> Vector:
    """Mean time of each key below the bound: ten times of one key are no ten independent ones, for its digits are the same."""
    table = values.reshape(-1, EACH)
    counts = (table <= bound).sum(axis=0)
    means = np.where(table <= bound, table, 0.0).sum(axis=0) / np.maximum(counts, 1)
    return np.asarray(means[counts > 0])


def welch(a: Vector, b: Vector) -> float:
    """|t| of two samples. Source: Welch (1947), Biometrika 34, 28-35."""
    return float(abs(a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size))


def careless(found: Tokens) -> Callable[[str], object]:
    """The control: by the id, and only as far as needed."""
    held = {token[5:13]: token[14:] for token in (*found["good"], *found["also good"])}

    def check(token: str) -> None:
        secret = held.get(token[5:13])
        if secret is None:
            raise Unauthenticated("no such key")
        for ours, theirs in zip(secret, token[14:], strict=True):
            if ours != theirs:
                raise Unauthenticated("wrong secret")

    return check


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    now_ns = time.time_ns()
    with tempfile.TemporaryDirectory() as place:
        settings = read(environ={"RPSD_DATA_DIR": place})
        with Database.open(Path(place), clock=lambda: now_ns) as database:
            found = stored(database, now_ns)
            moment = [now_ns]
            access = AccessService(settings, database, Metrics(), lambda: moment[0], PEPPER)
            for token in found["good"] + found["also good"] + found["expired"]:
                access.authenticate(token)
            moment[0] += SECOND_NS
            tokens = kinds(found)
            taken = times(access.authenticate, tokens)
            control = times(careless(found), tokens)
    for kind, values in taken.items():
        print(f"{kind}: median {np.median(values):.0f} ns")
    t, where = signal(taken)
    print(f"largest t of the service: {where}")
    held = bar("verify_largest_t", t, "<", 4.5)
    t, where = signal(control)
    print(f"largest t of the control: {where}")
    return 0 if bar("verify_careless_control_largest_t", t, ">", 4.5) and held else 1


if __name__ == "__main__":
    sys.exit(main())
