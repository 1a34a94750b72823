"""One client that posts a feed in order through the kills of its server, and sends again what a kill left without an answer."""

import http.client
import random
import threading
import time

from rpsd.core.market import Times, Vector
from tests.fault.victim import Victim

Post = tuple[Times, Vector]
"""Times (n,) in ns UTC and closes (n,)."""


class Stream:
    """The posts to one path of the server; `done` of them have been answered."""

    def __init__(self, server: Victim, path: str, posts: list[Post]) -> None:
        self._server, self._path, self._posts, self.done = server, path, posts, 0

    def send(self, until: int) -> None:
        """Post up to number `until`; return early when the server is gone."""
        link = self._server.connection()
        try:
            while self.done < until:
                status, content = self.post(self.done, link)
                assert status == 200, content
                self.done += 1
        except (OSError, http.client.HTTPException):
            return
        finally:
            link.close()

    def post(self, number: int, link: http.client.HTTPConnection) -> tuple[int, bytes]:
        """Send one post; status and content of the answer."""
        t, values = self._posts[number]
        return self._server.ask("POST", self._path, {"t": t.tolist(), "close": values.tolist()}, on=link)

    def outlive(self, kills: int, rng: random.Random) -> None:
        """Post while the server is killed at random moments and started again, then twenty posts more in peace."""
        for _ in range(kills):
            thread = threading.Thread(target=self.send, args=(len(self._posts),))
            thread.start()
            time.sleep(rng.uniform(0.05, 0.6))
            self._server.kill()
            thread.join()
            self._server.start("/health/ready")
        self.send(self.done + 20)
