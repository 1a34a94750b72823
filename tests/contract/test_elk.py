"""etc/elk: every line that rpsd writes, in either form, becomes the same document, each field of which has its type."""

import ast
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rpsd.telemetry import configure_logging, logger, logs, request_line
from tests.conftest import ROOT
from tests.elastic import Document, ingested, misfits

ELK = ROOT / "etc" / "elk"
PIPELINE: Document = json.loads((ELK / "ingest-pipeline.json").read_text(encoding="utf-8"))
TEMPLATE: Document = json.loads((ELK / "index-template.json").read_text(encoding="utf-8"))


def write_each_kind() -> None:
    """A line of each kind, with every field that a line may bear."""
    logger(operation="start").info("rpsd starts", data_dir="/var/lib/rpsd", config="/etc/rpsd/config.yaml")
    logger(operation="start").warning("reachable in the clear", place="server.plain_http_from")
    request = {
        "operation": "denoise", "user_id": "ab12cd34", "data_size": 1741, "processing_time": 0.001174, "outcome": "success",
        "request_id": "39c7621f686d0611", "method": "POST", "route": "/api/v1/denoise", "status": 200, "client_ip": "192.0.2.7",
    }  # fmt: skip
    request_line(logging.INFO, "POST /api/v1/denoise 200", request)
    request_line(logging.INFO, "GET /api/v1/jobs 200", request | {"client_ip": "unix", "user_id": "cli", "method": "GET"})
    refused = {"status": 422, "outcome": "error", "error_code": "too_short", "client_ip": "2001:db8::7"}
    request_line(logging.INFO, "POST /api/v1/denoise 422", request | refused)
    told = {"symbol": "BTC-USDT", "latency_ms": 0.81, "confidence": 1}
    request_line(logging.INFO, "POST /api/v1/predict 200", request | told)
    logger(operation="model", model="regime:AAPL:1d:3_state", model_version=4).error("a stored model is damaged", outcome="error")
    logger(operation="live", series="AAPL:1m", column="close", denoiser="kalman").info("live again", outcome="cancelled")
    logger(operation="alert").warning("drift", alert="drift", subject="regime:AAPL:1d:3_state", severity="HIGH", outcome="failed")
    logger(operation="audit").info("audit anchor 7:ab", seq=7, hash="ab")
    logger(operation="reload").info("settings reloaded", applied=["monitoring.log_level"], needs_restart=[], changes=["a: 1 → 2"])
    logger(operation="reload").error("reload failed", outcome="error", error_code="bad_config", faults=["/etc/rpsd/config.yaml:3:1: no"])
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("granian").exception("failed")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[str]]]:
    """The lines in a form, by the real writer, at one moment and of one version."""
    monkeypatch.setattr(logs, "__version__", "1.0.0")
    stamp, traced = re.compile(r'stamp": "[^"]*"'), re.compile(r"(Traceback).*?(ValueError: odd)")

    def lines(form: str) -> list[str]:
        stream = io.BytesIO()
        writer = configure_logging("DEBUG", form, stream=stream)
        write_each_kind()
        writer.close()
        text = stamp.sub('stamp": "2026-01-01T00:00:00.125Z"', stream.getvalue().decode())
        return traced.sub(r"\1 \2", text).splitlines()

    yield lines
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if type(handler).__name__ != "_Foreign"]


def documents(lines: list[str]) -> list[Document]:
    return [ingested(PIPELINE, {"@timestamp": "2026-01-01T00:00:09.000Z", "line": json.loads(line)}) for line in lines]


def test_both_forms_become_the_same_documents(written: Callable[[str], list[str]]) -> None:
    assert documents(written("flat")) == documents(written("ecs"))


@pytest.mark.parametrize("form", ["flat", "ecs"])
def test_each_field_has_a_type_that_takes_it(written: Callable[[str], list[str]], form: str) -> None:
    made = documents(written(form))
    assert [found for document in made for found in misfits(TEMPLATE, document)] == []
    assert {"level", "line", "timestamp"}.isdisjoint(name for document in made for name in document)
    assert {document["@timestamp"] for document in made} == {"2026-01-01T00:00:00.125Z"}


@pytest.mark.parametrize("form", ["flat", "ecs"])
def test_the_fixtures_are_what_is_written(written: Callable[[str], list[str]], form: str) -> None:
    lines = written(form)
    assert (ELK / "fixtures" / f"{form}.ndjson").read_text(encoding="utf-8").splitlines() == lines
    expected = (ELK / "fixtures" / "documents.ndjson").read_text(encoding="utf-8").splitlines()
    assert [json.dumps(document, ensure_ascii=False, sort_keys=True) for document in documents(lines)] == expected


def test_a_line_that_comes_as_text_is_read_too(written: Callable[[str], list[str]]) -> None:
    """As rsyslog and Logstash hand it on."""
    for line in written("flat"):
        assert ingested(PIPELINE, {"message": line}) == documents([line])[0]


def logged_fields() -> set[str]:
    """The names of all fields that some call in rpsd gives to a line by name."""
    found: set[str] = set()
    for file in (ROOT / "rpsd").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _logs(node.func):
                found.update(keyword.arg for keyword in node.keywords if keyword.arg)
    return found - {"exc_info"}


def _logs(called: ast.expr) -> bool:
    """Whether this is logger(…), or a level of what was made by it; other things have such methods too, but give them no names."""
    if isinstance(called, ast.Name):
        return called.id == "logger"
    return isinstance(called, ast.Attribute) and called.attr in ("debug", "info", "warning", "error", "exception", "critical")


def test_every_field_that_is_logged_has_a_type() -> None:
    """The names are read from the code, so that a new one is noticed."""
    fields = logged_fields()
    assert {"operation", "changes", "model"} <= fields
    for field in sorted(fields):
        document = ingested(PIPELINE, {"line": {"timestamp": "2026-01-01T00:00:00.125Z", "service": "rpsd", field: None}})
        assert not [found for found in misfits(TEMPLATE, document) if found.endswith("no type")], field


def test_a_field_without_a_type_and_a_value_of_another_are_found() -> None:
    """The control."""
    assert misfits(TEMPLATE, {"rpsd": {"new": 1}}) == ["rpsd.new: no type"]
    assert misfits(TEMPLATE, {"client": {"port": "x"}, "event": {"duration": 0.5}}) == [
        "client.port: no type", "event.duration: 0.5 is no long",
    ]  # fmt: skip


def test_what_ships_names_the_same_pipeline_and_stream() -> None:
    filebeat: dict[str, Any] = yaml.safe_load((ELK / "filebeat.yml").read_text(encoding="utf-8"))
    vector: dict[str, Any] = yaml.safe_load((ELK / "vector.yaml").read_text(encoding="utf-8"))
    stream = vector["sinks"]["elastic"]["data_stream"]
    name = "-".join((stream["type"], stream["dataset"], stream["namespace"]))
    assert filebeat["output.elasticsearch"]["index"] == name
    assert re.fullmatch(TEMPLATE["index_patterns"][0].replace("*", ".*"), name)
    pipeline = TEMPLATE["template"]["settings"]["index.default_pipeline"]
    assert {filebeat["output.elasticsearch"]["pipeline"], vector["sinks"]["elastic"]["pipeline"]} == {pipeline}
    [read] = filebeat["filebeat.inputs"]
    assert read["parsers"] == [{"ndjson": {"target": "line", "add_error_key": True}}]
    assert '"line": parsed' in vector["transforms"]["rpsd_line"]["source"]
    for place in (read["paths"][0], *vector["sources"]["rpsd_log"]["include"]):
        assert Path(place).parent == Path("/var/log/rpsd")


def test_the_manual_pairs_the_names_of_both_forms(written: Callable[[str], list[str]]) -> None:
    chapter = (ROOT / "rpsd" / "manual" / "logs.md").read_text(encoding="utf-8")
    pairs = dict(re.findall(r"^\| `([a-z_]+)` \| `([@a-z._]+)` \|", chapter, re.M))
    assert len(pairs) == 17
    seen: set[str] = set()
    for flat, ecs in zip(map(json.loads, written("flat")), map(json.loads, written("ecs")), strict=True):
        found = {name for name in flat if name in pairs and flat[name] != "unix"}
        assert {pairs[name] for name in found} <= set(ecs)
        assert [name for name in set(flat) - set(pairs) if f"rpsd.{name}" not in ecs] == []
        seen |= found
    assert seen == set(pairs)
