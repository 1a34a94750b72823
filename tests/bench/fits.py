"""Ask for one fresh fit of five years of days after another until terminated, then print how many there were.

`python -m tests.bench.fits PORT KEY`, for the latency of other requests while fits run.
"""

import http.client
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from types import FrameType

LAST = datetime(2016, 12, 30, tzinfo=UTC)  # a week apart, and asked by no other benchmark: a cached answer would be no fit


class Enough(Exception):
    """SIGTERM."""


def stop(_number: int, _frame: FrameType | None) -> None:
    raise Enough


def main(port: int, key: str) -> None:
    signal.signal(signal.SIGTERM, stop)
    connection, fits = http.client.HTTPConnection("127.0.0.1", port), 0
    try:
        while True:
            end = LAST - timedelta(days=7 * fits)
            body = {"ticker": "^GSPC", "start_date": f"{end - timedelta(days=1826):%F}", "end_date": f"{end:%F}", "regime_type": "3_state"}
            connection.request("POST", "/api/v1/detect-regimes", json.dumps(body), {"X-API-Key": key, "content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200 or b'"cache":"miss"' not in content:
                raise AssertionError(content[:500])
            fits += 1
    except Enough:
        print(fits)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
