"""The tree of a release: an environment with everything rpsd needs to run, byte-identical whenever it is built from the same sources."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "packaging" / "requirements.lock"
HOME: Final = Path("/opt/rpsd")
"""Where releases live on a machine that has rpsd installed."""
_SOURCES: Final = ("rpsd", "pyproject.toml", "README.md", "LICENSE")
_DIST: Final = re.compile(r"[-_.]+")
_UNWANTED: Final = {"..", "__pycache__", "tests", "test"}
"""Scripts, which name the building machine's interpreter, and the tests of others: a fifth of the size, and rpsd runs as a module."""
_SKIPPED: Final = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which release is built: its version, the interpreter it will run on, and the moment that all its files carry (seconds since 1970)."""

    version: str
    python: Path
    epoch: int
    cache: Path

    @property
    def interpreter(self) -> str:
        """The name of the interpreter with its minor version: python3.11."""
        asked = "import sys; print('python%d.%d' % sys.version_info[:2])"
        return _output([self.python, "-c", asked])

    @property
    def environment(self) -> dict[str, str]:
        """What the build's own processes see: nothing of the clock or of chance."""
        return {**os.environ, "SOURCE_DATE_EPOCH": str(self.epoch), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def build(plan: Plan, release: Path) -> None:
    """Make the directory of the release: venv/, sbom.cdx.json and SHA256SUMS. Minutes the first time, seconds with the wheels kept."""
    from scripts.build.sbom import sbom

    wheels = _dependencies(plan)
    site = release / "venv" / "lib" / plan.interpreter / "site-packages"
    shutil.rmtree(release, ignore_errors=True)
    shutil.copytree(wheels / "site", site, symlinks=True)
    _own(plan, wheels, site)
    _interpreter(plan, release / "venv")
    written = json.dumps(sbom(plan.version, site, wheels / "report.json", plan.epoch), indent=1, sort_keys=True)
    (release / "sbom.cdx.json").write_text(f"{written}\n", encoding="utf-8")
    (release / "SHA256SUMS").write_text(sums(release), encoding="utf-8")
    settle(release, plan.epoch)


def sums(directory: Path) -> str:
    """A line of `sha256sum` for every file below the directory but its own list."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink() and path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory)}\n" for path in files)


def settle(directory: Path, epoch: int) -> None:
    """Give every file below the directory one moment and plain permissions, so that nothing of the building machine shows."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or (path.stat().st_mode & 0o100 and ".so" not in path.suffixes)  # libraries are loaded, not run
            path.chmod(0o755 if runs else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def compile_tree(plan: Plan, directory: Path, seen_as: Path) -> None:
    """Write the byte code of every module; the hash in it is of the source and never looked at again: releases do not change.

    One process in one order, so that two builds agree; `seen_as` is the place that tracebacks name.
    """
    command = [plan.python, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", directory, "-p", seen_as]
    # some packages carry templates and tests for other interpreters, which do not compile and are never imported
    subprocess.run([*map(str, command), str(directory)], env=plan.environment, check=False, stdout=subprocess.DEVNULL)


def _dependencies(plan: Plan) -> Path:
    """The directory with what the lock pins, compiled, without what only the build needs; kept for the next build."""
    mark = hashlib.sha256(LOCK.read_bytes() + plan.interpreter.encode()).hexdigest()[:16]
    kept = plan.cache / f"wheels-{mark}"
    if (kept / "done").exists():
        return kept
    builder, site = kept / "builder", kept / "site"
    shutil.rmtree(site, ignore_errors=True)
    subprocess.run([plan.python, "-m", "venv", builder], check=True)
    pip = [builder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    install = ["install", "--no-compile", "--only-binary", ":all:", "--require-hashes", "--report", kept / "report.json", "-r", LOCK]
    if not (kept / "report.json").exists():
        subprocess.run([*map(str, [*pip, *install])], env=plan.environment, check=True)
    needed = _needed(builder / "lib" / plan.interpreter / "site-packages", site)
    compile_tree(plan, site, HOME / "current" / "venv" / "lib" / plan.interpreter / "site-packages")
    (kept / "done").write_text("\n".join(needed), encoding="utf-8")
    return kept


def _needed(installed: Path, site: Path) -> list[str]:
    """Copy the distributions that rpsd needs at run time, file by file as their records list them; their names."""
    names = closure(installed)
    for name in names:
        record = _record(installed, name)
        kept = []
        for line in record.read_text(encoding="utf-8").splitlines():
            relative = Path(line.rsplit(",", 2)[0].strip('"'))
            if _UNWANTED & set(relative.parts) or not (installed / relative).exists():
                continue
            kept.append(line)
            (site / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(installed / relative, site / relative)
        (site / record.relative_to(installed)).write_text("\n".join(kept) + "\n", encoding="utf-8")
    return names


def closure(installed: Path) -> list[str]:
    """The normalised names of every distribution that rpsd needs without extras, sorted."""
    code = (
        "import sys, tomllib\n"
        "from importlib.metadata import distribution, PackageNotFoundError\n"
        "from pip._vendor.packaging.requirements import Requirement\n"
        "from pip._vendor.packaging.utils import canonicalize_name as norm\n"
        "todo = [(Requirement(r), '') for r in tomllib.load(open(sys.argv[1], 'rb'))['project']['dependencies']]\n"
        "seen, done = set(), set()\n"
        "while todo:\n"
        "    r, _ = todo.pop()\n"
        "    key = (norm(r.name), tuple(sorted(r.extras)))\n"
        "    if key in seen or (r.marker and not r.marker.evaluate({'extra': ''})): continue\n"
        "    seen.add(key); done.add(key[0])\n"
        "    for text in distribution(r.name).requires or []:\n"
        "        n = Requirement(text)\n"
        "        wanted = [''] + list(r.extras)\n"
        "        if n.marker is None or any(n.marker.evaluate({'extra': e}) for e in wanted):\n"
        "            n.marker = None; todo.append((n, ''))\n"
        "print('\\n'.join(sorted(done)))\n"
    )
    python = installed.parents[2] / "bin" / "python"
    return _output([python, "-c", code, ROOT / "pyproject.toml"]).split()


def _record(installed: Path, name: str) -> Path:
    for info in installed.glob("*.dist-info"):
        if _DIST.sub("-", info.name.removesuffix(".dist-info").rsplit("-", 1)[0]).lower() == name:
            return info / "RECORD"
    sys.exit(f"{name} is needed and not in {LOCK.name}: run `make lock`")


def _own(plan: Plan, wheels: Path, site: Path) -> None:
    """Build rpsd's own wheel from a copy of the sources that carries the version, and unpack it."""
    work = plan.cache / f"source-{plan.version}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in _SOURCES:
        source = ROOT / name
        _ = shutil.copytree(source, work / name, ignore=_SKIPPED) if source.is_dir() else shutil.copy2(source, work / name)
    module = work / "rpsd" / "__init__.py"
    module.write_text(
        re.sub(r'__version__ = "[^"]+"', f'__version__ = "{plan.version}"', module.read_text(encoding="utf-8")), encoding="utf-8"
    )
    settle(work, plan.epoch)
    command = [wheels / "builder" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--wheel-dir", work / "dist", work]
    subprocess.run([*map(str, command)], env=plan.environment, check=True)
    (wheel,) = (work / "dist").glob("*.whl")
    own = work / "unpacked"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(own)
    compile_tree(plan, own, HOME / "current" / "venv" / "lib" / plan.interpreter / "site-packages")
    shutil.copytree(own, site, dirs_exist_ok=True)
    shutil.rmtree(work)


def _interpreter(plan: Plan, venv: Path) -> None:
    """An environment on the distribution's interpreter, which names its own release wherever it is started from.

    Started through /opt/rpsd/current it must not load modules from the next release once that link has moved: `python` is therefore a
    script that names the release.
    """
    home = HOME / "releases" / plan.version / "venv" / "bin"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python3").symlink_to(f"/usr/bin/{plan.interpreter}")
    script = venv / "bin" / "python"
    script.write_text(f'#!/bin/sh\nexec {home}/python3 "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    number = plan.interpreter.removeprefix("python")
    (venv / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {number}\n", encoding="utf-8")


def _output(command: list[object]) -> str:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout.strip()
