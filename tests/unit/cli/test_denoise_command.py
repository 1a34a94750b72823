"""`rpsd denoise` and `rpsd series` on every kind of file, and what they leave behind when they fail."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from rpsd.cli.files import STREAM, read, write
from rpsd.core.errors import BadRows, BadTime, MalformedBody, MissingExtra, UnknownFile
from rpsd.services.intake.parquet import read_parquet, write_parquet

Run = Callable[..., tuple[int, str, str]]

CSV = "t,close\n" + "".join(f"2024-{1 + n // 28:02d}-{1 + n % 28:02d},{100 + (n * 37 % 11) / 10 + n / 50}\n" for n in range(300))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "in.csv"
    file.write_text(CSV)
    return file


def column(lines: str, at: int) -> list[float]:
    return [float(line.split(",")[at]) for line in lines.splitlines()[1:]]


@pytest.mark.parametrize("name", ["out.csv", "out.ndjson", "out.parquet"])
def test_the_same_values_in_every_kind_of_file(rpsd: Run, source: Path, tmp_path: Path, name: str) -> None:
    code, text, err = rpsd("denoise", str(source), "-o", "-", "--method", "ema")
    assert code == 0, err
    assert "method              ema" in err
    assert text.startswith("t,close,close_denoised\n")
    output = tmp_path / name
    assert rpsd("denoise", str(source), "-o", str(output), "--method", "ema")[0] == 0
    second = tmp_path / "again.csv"
    code, _, err = rpsd(
        "denoise", str(output), "-o", str(second), "--column", "close_denoised", "--method", "ema", "--params", "strength=0"
    )
    assert code == 0, err
    assert column(second.read_text(), 1) == column(second.read_text(), 2) == column(text, 2)
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


@pytest.mark.parametrize("text", [CSV, "".join(json.dumps({"t": n * 10**9 + 10**18, "close": n % 7}) + "\n" for n in range(300))])
def test_standard_input(rpsd: Run, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, err = rpsd("denoise", "-", "-o", "-", "--method", "ema", "--interval", "1s", "--json")
    assert code == 0, err
    assert len(out.splitlines()) == 301
    assert json.loads(err)["n"] == 300


def test_parameters_by_name_and_as_json(rpsd: Run, source: Path) -> None:
    def params(*given: str) -> Any:
        code, _, err = rpsd(
            "denoise", str(source), "-o", "-", "--method", "wavelet", "--json", *(x for g in given for x in ("--params", g))
        )
        assert code == 0, err
        return json.loads(err)["params"]

    found = params("level=3", "wavelet=sym8", "use_fir_filter=false")
    assert (found["level"], found["wavelet"], found["use_fir_filter"]) == (3, "sym8", False)
    assert params('{"level": 3, "wavelet": "sym8", "use_fir_filter": false}') == found


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 64),
        (["-o", "-", "--params", "level"], 64),
        (["-o", "-", "--params", "{level"], 64),
        (["-o", "-", "--params", "levle=3", "--method", "wavelet"], 65),
        (["-o", "-", "--method", "nonsense"], 65),
        (["-o", "-", "--column", "open"], 66),
        (["-o", "/nowhere/out.csv"], 66),
        (["--plot", "/nowhere/out.png"], 66),
        (["-o", "-", "--causality", "sideways"], 65),
        (["-o", "-", "--interval", "9m"], 65),
    ],
)
def test_what_cannot_be_done_is_said(rpsd: Run, source: Path, arguments: list[str], code: int) -> None:
    found, out, err = rpsd("denoise", str(source), *arguments)
    assert (found, out) == (code, ""), err
    assert err.startswith("error: ")


def test_a_closed_standard_stream_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(UnknownFile, match="input is closed"):
        read(STREAM, "1m", None, lambda *_: None)
    with pytest.raises(UnknownFile, match="output is closed"):
        write(STREAM, np.array([0]), {"close": np.array([1.0])})


def test_a_lag_and_a_band(rpsd: Run, source: Path, tmp_path: Path) -> None:
    output, picture = tmp_path / "out.csv", tmp_path / "out.png"
    command = ("denoise", str(source), "-o", str(output), "--method", "fixed_lag", "--lag", "3", "--band", "--plot", str(picture), "--json")
    code, out, err = rpsd(*command)
    assert code == 0, err
    assert (json.loads(out)["method"], json.loads(out)["params"]["lag"]) == ("fixed_lag", 3)
    header, *rows = output.read_text().splitlines()
    assert header == "t,close,close_denoised,close_lower,close_upper"
    banded = [[float(cell) for cell in row.split(",")[2:]] for row in rows if not row.endswith(",")]  # the first of a session have none yet
    assert len(banded) > 100
    assert all(low < x < high for x, low, high in banded)
    assert picture.stat().st_size > 10_000
    assert rpsd("denoise", str(source), "-o", "-", "--causality", "causal", "--lag", "3")[0] == 65
    code, out, err = rpsd("denoise", str(source), "-o", "-", "--method", "fixed_lag", "--lag", "3")
    assert "lag: each value waits for 3 more" in err


def test_methods_side_by_side(rpsd: Run, source: Path) -> None:
    rng = np.random.default_rng(5)
    noisy = 100.0 + np.cumsum(rng.normal(0.0, 0.1, 300)) + rng.normal(0.0, 0.3, 300)
    rows_of_file = (f"2024-{1 + n // 28:02d}-{1 + n % 28:02d},{value:.4f}" for n, value in enumerate(noisy))
    source.write_text("\n".join(["t,close", *rows_of_file, ""]))
    code, out, err = rpsd("denoise", str(source), "--compare", "--methods", "wavelet, ema,nonsense", "--json")
    assert code == 0, err
    rows = {row["method"]: row for row in json.loads(out)["compared"]}
    assert (rows["wavelet"]["view"], rows["ema"]["view"], rows["nonsense"]["error"]) == ("hindsight", "causal", "unknown_method")
    assert rows["wavelet"]["leakage"] > rows["wavelet"]["leakage_at_the_time"]
    assert (rows["ema"]["revision"], rows["ema"]["leakage"]) == (0.0, rows["ema"]["leakage_at_the_time"])
    assert json.loads(out)["summary"]["live"]["best"] in ("wavelet", "ema")
    text = rpsd("denoise", str(source), "--compare")[1]
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "looking back: " in text


def test_a_picture_is_written_and_the_same_each_time(rpsd: Run, source: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for file in (first, second):
        code, _, err = rpsd("denoise", str(source), "--plot", str(file))
        assert code == 0, err
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(first.read_bytes()[16:20], "big") == 1200
    assert int.from_bytes(first.read_bytes()[20:24], "big") == 700


@pytest.mark.parametrize(
    ("module", "arguments", "extra"), [("matplotlib", ["--plot", "x.png"], "plot"), ("pyarrow", ["-o", "x.parquet"], "arrow")]
)
def test_without_its_extra_the_command_says_what_to_install(
    rpsd: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, arguments: list[str], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    code, _, err = rpsd("denoise", str(source), *arguments)
    assert code == 78
    assert "(missing_extra)" in err
    assert f"pip install 'rpsd[{extra}]'" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_the_command_itself_loads_neither_extra(source: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from rpsd.__main__ import run\n"
        f"code = run(['denoise', {str(source)!r}, '-o', {str(tmp_path / 'o.csv')!r}, '--method', 'ema'])\n"
        "assert not {'matplotlib', 'pyarrow', 'PIL', 'pandas'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_leaves_the_old_file_and_no_partial_one(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("old\n")
    program = (
        "import signal, sys, time, rpsd.services.intake.csv_text as text; from rpsd.__main__ import run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a runner in the background may have had it ignored
        "def slow(*_):\n"
        "    yield 't,close\\n'; print('writing', flush=True); time.sleep(60); yield ''\n"
        f"text.csv_text = slow; sys.exit(run(['denoise', {str(source)!r}, '-o', {str(output)!r}, '--method', 'ema']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout
    assert process.stdout.readline() == "writing\n"
    assert (tmp_path / "out.csv.partial").exists()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    assert output.read_text() == "old\n"


def test_progress_is_plain_lines_when_asked_for_in_a_pipe(rpsd: Run, source: Path) -> None:
    assert "denoising 300 points" in rpsd("denoise", str(source), "-o", "-", "--method", "ema", "--progress")[2]
    assert "denoising 300 points" not in rpsd("denoise", str(source), "-o", "-", "--method", "ema")[2]


@pytest.mark.parametrize("name", ["s.csv", "s.ndjson", "s.parquet"])
def test_series_go_out_and_in_by_suffix(rpsd: Run, source: Path, tmp_path: Path, name: str) -> None:
    def told(*arguments: str) -> Any:
        code, out, err = rpsd("series", *arguments)
        assert code == 0, err
        return json.loads(out) if out else None

    told("import", str(source), "--symbol", "A", "--interval", "1d", "--json")
    told("export", "--symbol", "A", "--interval", "1d", "-o", str(tmp_path / name))
    assert told("import", str(tmp_path / name), "--symbol", "A", "--interval", "1d", "--json")["unchanged"] == 300
    assert told("import", str(tmp_path / name), "--symbol", "B", "--interval", "1d", "--json")["inserted"] == 300


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(FLOATS, st.none() | FLOATS), min_size=1, max_size=20))
def test_parquet_keeps_every_bit(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float | None]]) -> None:
    file = tmp_path_factory.mktemp("p") / "x.parquet"
    t = np.arange(len(rows), dtype=np.int64) * 123_456_789 + 10**18
    close, volume = np.array([row[0] for row in rows]), np.array([np.nan if row[1] is None else row[1] for row in rows])
    write_parquet(file, t, {"close": close, "volume": volume})
    found = read_parquet(file, "tick").samples
    assert found.t.tobytes() == t.tobytes()
    assert found.columns["close"].tobytes() == close.tobytes()
    assert found.columns["volume"].tobytes() == volume.tobytes()


def saved(tmp_path: Path, **columns: Any) -> Path:
    parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


DAYS = ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize(
    "times",
    [
        pyarrow.array(DAYS),
        pyarrow.array(DAYS).dictionary_encode(),
        pyarrow.array(np.array(DAYS, "datetime64[D]")),
        pyarrow.array(np.array(DAYS, "datetime64[ms]")).cast(pyarrow.timestamp("ms", "UTC")),
        pyarrow.array(np.array(DAYS, "datetime64[ns]")).cast(pyarrow.int64()),
    ],
)
def test_times_of_parquet_in_every_form(tmp_path: Path, times: Any) -> None:
    file = saved(tmp_path, Date=times, Close=pyarrow.array([1, 2], pyarrow.int32()), volume=pyarrow.array([1.5, float("nan")]))
    samples = read_parquet(file, "1d").samples
    assert samples.t.tolist() == np.array(DAYS, "datetime64[ns]").astype(np.int64).tolist()
    assert samples.columns["close"].tolist() == [1.0, 2.0]
    assert np.isnan(samples.columns["volume"][1])


def test_naive_times_of_parquet_need_a_zone(tmp_path: Path) -> None:
    file = saved(tmp_path, **{"__index_level_0__": pyarrow.array(np.array(["2024-01-02T09:30"], "datetime64[ns]")), "close": [1.0]})
    with pytest.raises(BadTime, match="no zone"):
        read_parquet(file, "1m")
    assert read_parquet(file, "1m", tz="America/New_York").samples.t[0] == 1704205800 * 10**9


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"t": DAYS, "close": [[1.0], [2.0]]}, MalformedBody),
        ({"t": DAYS, "close": [True, False]}, MalformedBody),
        ({"t": DAYS, "close": ["a", "b"]}, BadRows),
        ({"t": DAYS, "close": [1.0, float("inf")]}, BadRows),
        ({"t": DAYS[::-1], "close": [1.0, 2.0]}, BadRows),
        ({"t": [None, None], "close": [1.0, 2.0]}, MalformedBody),
        ({"t": pyarrow.array([2**62, 2**62], pyarrow.timestamp("us", "UTC")), "close": [1.0, 2.0]}, MalformedBody),
    ],
)
def test_parquet_files_that_hold_no_rows_of_ours(tmp_path: Path, columns: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_parquet(saved(tmp_path, **columns), "1d")


def test_files_that_are_no_parquet(tmp_path: Path) -> None:
    whole = saved(tmp_path, t=DAYS, close=[1.0, 2.0]).read_bytes()
    bad = tmp_path / "bad.parquet"
    for body in (b"", b"t,close\n", whole[:-20], whole[: len(whole) // 2], b"PAR1" + b"\xff" * 64 + b"PAR1"):
        bad.write_bytes(body)
        with pytest.raises(MalformedBody):
            read_parquet(bad, "1d")
    with pytest.raises(UnknownFile):
        read_parquet(tmp_path / "gone.parquet", "1d")
    assert issubclass(MissingExtra, Exception)
