"""`make deb`: the Debian package, which holds everything that rpsd needs beyond the distribution's python3.

The tree lies below /usr/lib/rpsd/releases/<version>, owned by dpkg; the maintainer script links it to /opt/rpsd/releases/<version>, where
it runs. So dpkg removes the files of the former version and never those that are running or that a rollback needs.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from scripts.build.man import completions, man_pages
from scripts.build.tree import ROOT, Plan, build, settle, sums
from scripts.build.words import changelog, copyright_text, version_of

TEMPLATES: Final = ROOT / "packaging" / "debian"
_SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm")
_CONFFILES: Final = {"etc/config.yaml": "etc/rpsd/config.yaml", "etc/default/rpsd": "etc/default/rpsd"}


def main() -> None:
    """Build the package, its SBOM and its checksum list into the target directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default=version_of(), help="version of the package, by default rpsd's")
    parser.add_argument("--python", type=Path, default=Path("/usr/bin/python3"), help="the distribution's interpreter")
    parser.add_argument("--to", type=Path, default=ROOT / ".cache" / "deb")
    asked = parser.parse_args()
    plan = Plan(asked.version, asked.python, epoch(), ROOT / ".cache" / "release")
    print(package(plan, asked.to))


def epoch() -> int:
    """SOURCE_DATE_EPOCH, else the moment of the last commit, else now."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return int(told or time.time())


def package(plan: Plan, target: Path) -> Path:
    """Build the .deb; its path. Beside it lie the SBOM and SHA256SUMS."""
    stage = plan.cache / f"deb-{plan.version}"
    shutil.rmtree(stage, ignore_errors=True)
    release = stage / "usr" / "lib" / "rpsd" / "releases" / plan.version
    build(plan, release)
    _machine_files(plan, stage)
    _control(plan, stage)
    settle(stage, plan.epoch)
    target.mkdir(parents=True, exist_ok=True)
    deb = target / f"rpsd_{plan.version}_{architecture()}.deb"
    partial = deb.with_suffix(".partial")
    # zstd: unpacking takes a second where xz takes ten, and the time until the appliance answers is what counts
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--threads-max=2", "--build", stage, partial],
        env=plan.environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    partial.replace(deb)
    shutil.copy2(release / "sbom.cdx.json", target / f"rpsd_{plan.version}.cdx.json")
    shutil.rmtree(stage)
    (target / "SHA256SUMS").write_text(sums(target), encoding="utf-8")
    return deb


def _machine_files(plan: Plan, stage: Path) -> None:
    """What belongs to the machine rather than to a release: units, account, settings, command, manual pages."""
    units = stage / ("usr/lib" if _merged_paths() else "lib") / "systemd" / "system"
    for unit in sorted((ROOT / "systemd").glob("rpsd*.*")):
        _install(unit, units / unit.name)
    for place in ("sysusers.d", "tmpfiles.d"):
        _install(ROOT / "systemd" / place / "rpsd.conf", stage / "usr/lib" / place / "rpsd.conf")
    for source, name in _CONFFILES.items():
        _install(ROOT / source, stage / name)
    _install(ROOT / "packaging" / "rpsd.sh", stage / "usr/bin/rpsd", 0o755)
    _install(ROOT / "packaging" / "renew-certificate.sh", stage / "usr/share/rpsd/renew-certificate.sh", 0o755)
    documents = stage / "usr/share/doc/rpsd"
    documents.mkdir(parents=True)
    (documents / "copyright").write_text(copyright_text(stage), encoding="utf-8")
    _packed(documents / "changelog.gz", changelog(plan.version, plan.epoch))
    shutil.copytree(ROOT / "etc", documents / "examples", ignore=shutil.ignore_patterns("default", "config.yaml"))
    shutil.copytree(ROOT / "packaging" / "lintian", stage / "usr/share/lintian/overrides")
    for name, text in man_pages(plan).items():
        _packed(stage / "usr/share/man/man1" / f"{name}.gz", text)
    for name, text in completions(plan).items():
        place = stage / "usr/share" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def _control(plan: Plan, stage: Path) -> None:
    control = stage / "DEBIAN"
    control.mkdir()
    size = sum(path.lstat().st_size for path in stage.rglob("*") if path.is_file() or path.is_symlink()) // 1024
    minor = int(plan.interpreter.removeprefix("python3."))
    values = {"VERSION": plan.version, "ARCH": architecture(), "SIZE": str(size), "PYTHON": f"3.{minor}", "NEXT": f"3.{minor + 1}"}
    for name in ("control", *_SCRIPTS):
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        (control / name).write_text(text, encoding="utf-8")
        (control / name).chmod(0o644 if name == "control" else 0o755)
    (control / "conffiles").write_text("".join(f"/{name}\n" for name in sorted(_CONFFILES.values())), encoding="utf-8")
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink() and control not in path.parents)
    listed = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n" for path in files)  # noqa: S324 - dpkg's
    (control / "md5sums").write_text(listed, encoding="utf-8")


def architecture() -> str:
    """Debian's name of this machine's architecture."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def _merged_paths() -> bool:
    """Whether this distribution wants units below /usr/lib; Debian 12 still has them below /lib."""
    told = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    return told.get("VERSION_ID", "").strip('"') != "12"


def _install(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _packed(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
