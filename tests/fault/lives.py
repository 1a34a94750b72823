"""Many lives of one server: started, used, killed at a random moment, started again, and asked what it remembers."""

import itertools
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rpsd.store.db import FILE_NAME, Database, verify_database
from tests.fault.ingest import CLIENTS, SHARED, Client, post_from_all, stored
from tests.fault.victim import SERVE, Victim, victim

FULL_CHECK_EVERY = 20
MOMENTS = ("at an answer", "at any time", "while starting")
_WEIGHTS = (5, 4, 1)


@dataclass
class Tally:
    """What many lives came to. Rows `lost` are those that the last full check missed or found altered."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MOMENTS, 0))
    requests: int = 0
    rows: int = 0
    revised: int = 0
    lost: int = 0
    strange: int = 0
    torn: int = 0
    unanswered: dict[str, int] = field(default_factory=lambda: {"stored": 0, "not stored": 0})
    replays: int = 0
    wrong_replays: int = 0
    file: dict[str, Any] = field(default_factory=dict)
    restarts: list[float] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())


class Lives:
    """One server, its clients and their tally."""

    def __init__(self, server: Victim, seed: int) -> None:
        self.server, self.rng, self.tally = server, random.Random(seed), Tally()
        self.clients = [Client(number, seed) for number in range(CLIENTS)]
        self._since = [client.frontier_ns for client in self.clients]

    def live(self) -> None:
        """One life, up to its kill."""
        moment = self.rng.choices(MOMENTS, _WEIGHTS)[0]
        if moment == "while starting":
            self.server.begin()
            time.sleep(self.rng.uniform(0.0, 1.0))
            self.server.kill()
        else:
            self.tally.restarts.append(self.server.start())
            self._look_back()
            self._post_until_killed(at_answer=self.rng.randrange(1, 200) if moment == "at an answer" else 0)
        self.tally.kills[moment] += 1

    def _post_until_killed(self, at_answer: int) -> None:
        """Kill after so many answers, by the client that has just read one and before anything else; with 0, after some time."""
        answers, process = itertools.count(1), self.server.process
        assert process is not None

        def answered() -> None:
            if next(answers) == at_answer:
                process.kill()

        self._since = [client.frontier_ns for client in self.clients]
        threads = post_from_all(self.server, self.clients, answered)
        if at_answer == 0:
            time.sleep(self.rng.uniform(0.0, 0.5))
            process.kill()
        for thread in threads:
            thread.join(60.0)
            assert not thread.is_alive()
        process.wait(20)
        assert not any(client.complaint for client in self.clients), [client.complaint for client in self.clients]

    def _look_back(self) -> None:
        """After a restart: the rows of the life before, its unanswered requests, and its answers when asked for again."""
        shared = stored(self.server, SHARED, min(self._since))
        for client, since in zip(self.clients, self._since, strict=True):
            mine = stored(self.server, f"CLIENT{client.number}", since)
            for symbol, found in ((SHARED, shared), (f"CLIENT{client.number}", mine)):
                self.tally.lost += client.ledger.lost(symbol, found, since)
            self._resend(client, shared | mine)

    def _resend(self, client: Client, found: dict[int, float]) -> None:
        """A request with a key has happened or has not, as a whole, and sending it again makes it happen once with one answer."""
        link = self.server.connection()
        if (post := client.pending) is not None:
            present = sum(found.get(t) == value for t, value in post.rows.items())
            if post.is_new:
                self.tally.torn += 0 < present < len(post.rows)
                self.tally.unanswered["stored" if present else "not stored"] += 1
            if post.key is not None:
                status, told = post.send(self.server, link)
                assert status == 200, told
                client.ledger.acknowledge(post)
                self.tally.replays += 1
                # had the rows been stored without their key, all would be `unchanged` now
                self.tally.wrong_replays += told["inserted" if post.is_new else "updated"] != len(post.rows)
            client.pending = None
        for post, answer in client.answered:
            if post.key is not None:
                self.tally.replays += 1
                self.tally.wrong_replays += post.send(self.server, link) != (200, answer)
        client.answered.clear()
        link.close()

    def check_all(self) -> None:
        """Every acknowledged row against what a fresh start gives, then the file itself."""
        self.server.start()
        self._look_back()
        shared = stored(self.server, SHARED)
        self.tally.lost = self.tally.strange = 0
        for client in self.clients:
            mine = stored(self.server, f"CLIENT{client.number}")
            for symbol, found in ((SHARED, shared), (f"CLIENT{client.number}", mine)):
                self.tally.lost += client.ledger.lost(symbol, found)
            self.tally.strange += client.ledger.strange(f"CLIENT{client.number}", mine)
        known = [client.ledger for client in self.clients]
        self.tally.strange += sum(all(ledger.strange(SHARED, {t: value}) for ledger in known) for t, value in shared.items())
        self.server.kill()
        Database.open(self.server.data, clock=time.time_ns).close()  # takes over what the log holds
        self.tally.file = verify_database(self.server.data / FILE_NAME)


def many_lives(directory: Path, kills: int, *, seed: int, entry: tuple[str, ...] = SERVE, seconds: float = 480.0) -> Tally:
    """The tally of so many kills, or of as many as fit into the time; everything is checked on the way and at the end."""
    until = time.monotonic() + seconds
    with victim(directory, entry) as server:
        lives = Lives(server, seed)
        while lives.tally.killed < kills and time.monotonic() < until:
            lives.live()
            if lives.tally.killed % FULL_CHECK_EVERY == 0:
                lives.check_all()
                print(f"{lives.tally.killed} kills, {lives.tally.lost} lost", flush=True)
        lives.check_all()
        assert "Traceback" not in server.log.read_text(errors="replace")
    for client in lives.clients:
        lives.tally.requests += client.ledger.requests
        lives.tally.rows += client.ledger.rows
        lives.tally.revised += client.ledger.revised
    return lives.tally
