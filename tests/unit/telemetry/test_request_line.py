"""The line of a request: the same fields as any other line, level and format as configured, secrets hidden, never a broken one."""

import io
import json
import logging
from typing import Any

import pytest

from rpsd.telemetry import configure_logging, logger, request_line


def written(format: str, level: str, *calls: tuple[int, dict[str, Any]]) -> list[dict[str, Any]]:
    sink = io.BytesIO()
    writer = configure_logging(level, format, stream=sink)
    for number, fields in calls:
        request_line(number, "GET / 200", fields)
    assert writer.flush()
    return [json.loads(line) for line in sink.getvalue().splitlines()]


@pytest.mark.parametrize("format", ["flat", "ecs"])
def test_it_reads_as_a_line_of_the_logger(format: str) -> None:
    fields = {
        "operation": "http",
        "user_id": "ab",
        "processing_time": 0.25,
        "status": 200,
        "outcome": "error",
        "request_id": "r",
        "symbol": "A",
    }
    sink = io.BytesIO()
    writer = configure_logging("INFO", format, stream=sink)
    request_line(logging.INFO, "GET / 200", dict(fields))
    logger().info("GET / 200", **fields)
    assert writer.flush()
    ours, usual = (json.loads(line) for line in sink.getvalue().splitlines())
    time = "timestamp" if format == "flat" else "@timestamp"
    assert abs(int(ours[time][-4:-1]) - int(usual[time][-4:-1])) % 990 < 100
    assert ours[time][:11] == usual[time][:11]
    assert ours | {time: ""} == usual | {time: ""}


def test_a_level_below_the_configured_one_is_silent() -> None:
    assert written("flat", "INFO", (logging.DEBUG, {})) == []
    assert [line["level"] for line in written("flat", "DEBUG", (logging.DEBUG, {}), (logging.INFO, {}))] == ["DEBUG", "INFO"]
    assert written("flat", "WARNING", (logging.INFO, {})) == []


def test_secrets_are_hidden_and_what_json_has_no_word_for_costs_no_line() -> None:
    key = "rpsd_ab12cd34_" + 2 * "0123456789abcdef"
    first, second = written("flat", "INFO", (logging.INFO, {"symbol": key, "token": key}), (logging.INFO, {"confidence": float("nan")}))
    assert (first["symbol"], first["token"]) == ("rpsd_ab12cd34_***", "***")
    assert second["confidence"] is None
