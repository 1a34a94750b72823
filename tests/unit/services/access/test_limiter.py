"""The limiter against an exact leaky bucket, with clocks that misbehave, and with more callers than it has room for."""

import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.config.kinds import Rate
from rpsd.config.settings import Limits
from rpsd.core.errors import RateLimited
from rpsd.core.market import SECOND_NS
from rpsd.services.access.limiter import ANONYMOUS, Limiter, Table, crowd
from rpsd.services.access.service import Principal
from rpsd.telemetry import Metrics

LIMITS = Limits(read=Rate(10, 60.0), predict=Rate(10, 60.0), ingest=Rate(10, 60.0), train=Rate(3, 60.0), public=Rate(2, 60.0))


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


class Bucket:
    """The slow reference: a bucket of `count` that leaks one call a step; fractions, so that nothing is rounded."""

    def __init__(self, rate: Rate) -> None:
        self.count, self.step_ns = rate.count, int(rate.per_seconds * SECOND_NS) // rate.count or 1
        self.level, self.seen_ns = Fraction(0), 0

    def takes(self, now_ns: int, cost: int) -> tuple[bool, int]:
        """Whether the call passes, and how many whole calls are left."""
        self.level = max(Fraction(0), self.level - Fraction(now_ns - self.seen_ns, self.step_ns))
        self.seen_ns = now_ns
        passes = self.level + min(cost, self.count) <= self.count
        if passes:
            self.level += min(cost, self.count)
        return passes, int((self.count - self.level) // 1)


rates = st.builds(Rate, st.integers(1, 1_000_000_000), st.sampled_from([0.5, 1.0, 60.0, 3600.0])) | st.builds(
    Rate, st.integers(1, 20), st.just(60.0)
)


@given(rates, st.lists(st.tuples(st.integers(0, 30 * SECOND_NS), st.integers(1, 12)), max_size=60))
def test_it_admits_what_an_exact_leaky_bucket_admits(rate: Rate, calls: list[tuple[int, int]]) -> None:
    clock = Clock()
    table, bucket = Table(4, clock), Bucket(rate)
    for later_ns, cost in calls:
        clock.now_ns += later_ns
        standing, (passes, left) = table.ask("a", rate, cost), bucket.takes(clock.now_ns, cost)
        assert (standing.wait_seconds == 0.0, standing.remaining) == (passes, left)
        assert 0 <= standing.remaining <= rate.count


@given(rates, st.integers(1, 50))
def test_a_refused_call_passes_after_its_wait_and_not_before(rate: Rate, cost: int) -> None:
    clock = Clock()
    table = Table(4, clock)
    table.ask("a", rate, rate.count)
    refused = table.ask("a", rate, cost)
    wait_ns = min(cost, rate.count) * (int(rate.per_seconds * SECOND_NS) // rate.count or 1)
    assert refused.wait_seconds == pytest.approx(wait_ns / SECOND_NS)
    assert refused.reset_seconds >= refused.wait_seconds
    clock.now_ns += wait_ns - 1
    assert table.ask("a", rate, cost).wait_seconds > 0.0
    clock.now_ns += 1
    assert table.ask("a", rate, cost).wait_seconds == 0.0


@given(st.lists(st.integers(-20, 20).map(lambda seconds: seconds * SECOND_NS), min_size=8, max_size=40))
def test_a_clock_that_goes_back_stands_still_and_goes_on(steps: list[int]) -> None:
    rate, clock = Rate(2, 20.0), Clock()
    table, bucket, true_ns = Table(4, clock), Bucket(rate), clock.now_ns
    for step in steps:
        clock.now_ns += step
        true_ns += max(0, step)
        assert (table.ask("a", rate, 1).wait_seconds == 0.0) == bucket.takes(true_ns, 1)[0]


def test_a_million_peers_stay_bounded_and_push_out_no_key() -> None:
    clock = Clock()
    limiter = Limiter(LIMITS, Metrics(), clock)
    desk = Principal("0badcafe", "desk", frozenset({"read"}))
    for _ in range(10):
        assert limiter.ask(desk, "read", "10.0.0.1").wait_seconds == 0.0
    for number in range(1_000_000):
        limiter.ask_peer(f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}.9")
    assert len(limiter) <= 65_536
    assert limiter.ask(desk, "read", "10.0.0.1").wait_seconds > 0.0


def test_those_who_called_last_are_remembered() -> None:
    rate, table = Rate(1, 60.0), Table(2, Clock())
    assert table.ask("a", rate, 1).wait_seconds == 0.0
    assert table.ask("b", rate, 1).wait_seconds == 0.0
    assert table.ask("a", rate, 1).wait_seconds > 0.0  # refused, and seen again
    table.ask("c", rate, 1)
    assert len(table) == 2
    assert table.ask("a", rate, 1).wait_seconds > 0.0
    assert table.ask("b", rate, 1).wait_seconds == 0.0


def test_a_lower_rate_holds_at_once_and_nothing_left_is_never_less_than_nothing() -> None:
    table = Table(2, Clock())
    table.ask("a", Rate(60, 3600.0), 60)
    assert table.ask("a", Rate(1, 1.0), 1).remaining == 0


def test_kinds_are_counted_apart_and_refusals_by_kind() -> None:
    metrics = Metrics()
    limiter, desk = Limiter(LIMITS, metrics, Clock()), Principal("0badcafe", "desk", frozenset({"read", "train"}))
    for _ in range(3):
        limiter.ask(desk, "train", "10.0.0.1").require()
    with pytest.raises(RateLimited) as refused:
        limiter.ask(desk, "train", "10.0.0.1").require()
    assert refused.value.retry_after == 20
    limiter.ask(desk, "read", "10.0.0.1").require()
    assert metrics.registry.get_sample_value("rpsd_rate_limited_total", {"kind": "train"}) == 1.0
    assert metrics.registry.get_sample_value("rpsd_rate_limited_total", {"kind": "read"}) == 0.0


def test_a_key_with_a_limit_of_its_own_has_it_for_all_calls_together_and_the_lower_one_for_fits() -> None:
    limiter = Limiter(LIMITS, Metrics(), Clock())
    wide, narrow = (Principal(name, name, frozenset(), limit) for name, limit in (("wide", 20), ("narrow", 2)))
    kinds = ["read", "predict", "ingest", "read"] * 5
    assert all(limiter.ask(wide, kind, "").limit == 20 for kind in kinds)
    assert limiter.ask(wide, "predict", "").wait_seconds > 0.0
    assert limiter.ask(wide, "train", "").limit == 3
    assert limiter.ask(narrow, "train", "").limit == 2


def test_the_nameless_of_an_open_appliance_are_told_apart_by_their_peers() -> None:
    limiter, nobody = Limiter(LIMITS, Metrics(), Clock()), Principal(ANONYMOUS, ANONYMOUS, frozenset({"read"}))
    assert [limiter.ask(nobody, "read", "10.0.0.1").remaining for _ in range(3)] == [9, 8, 7]
    assert limiter.ask(nobody, "read", "10.0.0.2").remaining == 9


def test_admit_raises_with_the_time_to_wait() -> None:
    limiter, rate = Limiter(LIMITS, Metrics(), Clock()), Rate(2, 1.0)
    assert limiter.admit("a", "ingest", rate, 2).remaining == 0
    with pytest.raises(RateLimited, match="more than 2 calls in 1 seconds"):
        limiter.admit("a", "ingest", rate)


@pytest.mark.parametrize(
    ("peer", "known_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
        ("a:b", "a:b"),
    ],
)
def test_an_ipv6_peer_is_its_network(peer: str, known_as: str) -> None:
    assert crowd(peer) == known_as


def test_fits_may_be_counted_from_many_threads() -> None:
    limiter = Limiter(Limits(train=Rate(4000, 3600.0)), Metrics())
    desk, left = Principal("0badcafe", "desk", frozenset()), []

    def fit() -> None:
        left.extend(limiter.ask(desk, "train", "").remaining for _ in range(500))

    threads = [threading.Thread(target=fit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(left) == 4000
    assert min(left) <= 20  # a lost count would leave more; some come back while it runs
