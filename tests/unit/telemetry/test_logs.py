"""Log lines: fields, redaction, a bounded queue that never blocks."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.telemetry import LogWriter, configure_logging, logger
from rpsd.telemetry.logs import redact

KEY = "rpsd_" + "ab12cd34_" + "0123456789abcdef" * 2
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJ4In0." + "c2lnbmF0dXJl"


@pytest.fixture
def sink() -> Iterator[io.BytesIO]:
    stream = io.BytesIO()
    yield stream
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if type(handler).__name__ != "_Foreign"]


def lines(writer: LogWriter, stream: io.BytesIO) -> list[dict[str, Any]]:
    writer.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_fields_of_the_contract(sink: io.BytesIO) -> None:
    writer = configure_logging(stream=sink)
    logger(operation="denoise", user_id="ab12cd34").info("Denoising completed", data_size=1741, processing_time=1.2, outcome="success")
    (line,) = lines(writer, sink)
    assert list(line)[:5] == ["timestamp", "level", "service", "version", "message"]
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-01-27T10:00:00.000Z")
    assert (line["level"], line["service"], line["operation"], line["data_size"]) == ("INFO", "rpsd", "denoise", 1741)


@pytest.mark.parametrize(
    ("flat", "ecs"), [("ok", "success"), ("succeeded", "success"), ("error", "failure"), ("failed", "failure"), ("cancelled", "unknown")]
)
def test_ecs_outcomes_are_those_of_the_schema(sink: io.BytesIO, flat: str, ecs: str) -> None:
    writer = configure_logging(format="ecs", stream=sink)
    logger().info("done", outcome=flat)
    writer.close()
    assert json.loads(sink.getvalue())["event.outcome"] == ecs


def test_ecs_names_and_nanoseconds(sink: io.BytesIO) -> None:
    writer = configure_logging(format="ecs", stream=sink)
    logger().warning("slow", operation="denoise", user_id="k", data_size=3, processing_time=0.25, request_id="r", error_code="too_short")
    (line,) = lines(writer, sink)
    assert line["event.duration"] == 250_000_000
    assert (line["log.level"], line["event.action"], line["user.id"], line["rpsd.data_size"]) == ("WARNING", "denoise", "k", 3)
    assert (line["http.request.id"], line["error.code"]) == ("r", "too_short")
    assert "@timestamp" in line
    assert "processing_time" not in line


def test_the_level_is_a_threshold_and_can_change(sink: io.BytesIO) -> None:
    writer = configure_logging("WARNING", stream=sink)
    logger().info("hidden")
    configure_logging("DEBUG", writer=writer)
    logger().debug("shown")
    assert [line["message"] for line in lines(writer, sink)] == ["shown"]


@pytest.mark.parametrize("format", ["flat", "ecs"])
def test_no_secret_is_ever_written(sink: io.BytesIO, format: str) -> None:
    writer = configure_logging(format=format, stream=sink)
    log = logger(token="hunter22")
    log.info(f"key {KEY} refused", header={"Authorization": "Bearer hunter22", "x": [KEY, JWT]}, api_key="hunter22")
    try:
        raise ValueError(KEY)
    except ValueError:
        log.exception("failed")
    logging.getLogger("library").error("got %s", JWT)
    writer.close()
    text = sink.getvalue().decode()
    assert len(text.splitlines()) == 3
    assert KEY.rpartition("_")[2] not in text
    assert "hunter22" not in text
    assert JWT not in text
    assert "rpsd_ab12cd34_***" in text


@pytest.mark.parametrize("format", ["flat", "ecs"])
def test_nothing_that_a_terminal_obeys_is_written(sink: io.BytesIO, format: str) -> None:
    writer = configure_logging("INFO", format, stream=sink)
    logger().info("\x1b[31mred \x9b31m \x7f\nnext \u2028 \u202eevil é 日", operation="x")
    writer.close()
    line = sink.getvalue().decode()
    assert line.count("\n") == 1
    assert all(sign.isprintable() for sign in line.strip())
    assert json.loads(line)["message"] == "\x1b[31mred \x9b31m \x7f\nnext \u2028 \u202eevil é 日"


def test_redaction_leaves_the_rest() -> None:
    assert redact("rpsd_http_requests") == "rpsd_http_requests"
    assert redact(f"a {JWT} b") == "a [jwt] b"


def test_values_that_json_cannot_hold_never_cost_a_line(sink: io.BytesIO) -> None:
    writer = configure_logging(stream=sink)
    circle: list[Any] = []
    circle.append(circle)
    logger().info("odd", nan=float("nan"), path=Path("/x"), circle=circle)
    logger().info("odd", nan=float("inf"), path=Path("/x"), bytes=b"\xff", newline="a\nb")
    first, second = lines(writer, sink)
    assert first["message"] == second["message"] == "odd"
    assert (second["nan"], second["path"], second["newline"]) == (None, "/x", "a\nb")


class Stuck(io.RawIOBase):
    """A sink whose reader has stopped reading."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.written: list[bytes] = []

    def write(self, data: Any) -> int:
        self.entered.set()
        self.release.wait(10)
        self.written.append(bytes(data))
        return len(data)


def test_a_stuck_sink_drops_the_oldest_and_counts() -> None:
    stuck, counted = Stuck(), []
    writer = LogWriter(stuck, None, capacity=3, on_drop=lambda: counted.append(1))  # type: ignore[arg-type]
    writer.put("first")
    assert stuck.entered.wait(5)
    for number in range(5):
        writer.put(str(number))  # returns at once although nothing is read
    assert (writer.dropped, len(counted)) == (2, 2)
    stuck.release.set()
    writer.close()
    assert b"".join(stuck.written).decode().splitlines() == ["first", "2", "3", "4"]


def test_a_closed_writer_is_not_waited_for_again() -> None:
    """It is closed by its owner and again as the process ends: a wait there would be a part of every restart."""
    writer = LogWriter(io.BytesIO(), None)
    writer.put("last")
    writer.close()
    assert writer.flush(seconds=3600.0)


def test_a_closed_pipe_does_not_end_the_writer() -> None:
    class Broken(io.BytesIO):
        def write(self, data: Any) -> int:
            raise BrokenPipeError

    writer = LogWriter(Broken(), None)
    for _ in range(3):
        writer.put("lost")
        assert writer.flush()
    assert writer.dropped == 3
    writer.close()


def test_the_file_is_opened_anew_after_rotation(tmp_path: Path) -> None:
    file = tmp_path / "rpsd.json"
    writer = LogWriter(None, file)
    writer.put("one")
    assert writer.flush()
    file.rename(tmp_path / "rpsd.json.1")
    writer.put("two")
    assert writer.flush()
    writer.redirect(tmp_path / "other.json")
    writer.put("three")
    writer.close()
    assert [(tmp_path / name).read_text() for name in ("rpsd.json.1", "rpsd.json", "other.json")] == ["one\n", "two\n", "three\n"]
    assert file.stat().st_mode & 0o007 == 0
