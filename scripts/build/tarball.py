"""`make tarball`: the tree of a release with its units and an installer, for distributions without our package."""

import argparse
import gzip
import shutil
import tarfile
from pathlib import Path

from scripts.build.deb import architecture, epoch
from scripts.build.tree import ROOT, Plan, build, settle, sums
from scripts.build.words import version_of


def main() -> None:
    """Build the tarball into the target directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default=version_of(), help="version of the release, by default rpsd's")
    parser.add_argument("--python", type=Path, default=Path("/usr/bin/python3"), help="the interpreter that it will run on")
    parser.add_argument("--to", type=Path, default=ROOT / ".cache" / "deb")
    asked = parser.parse_args()
    print(tarball(Plan(asked.version, asked.python, epoch(), ROOT / ".cache" / "release"), asked.to))


def tarball(plan: Plan, target: Path) -> Path:
    """Build the .tar.gz; its path."""
    name = f"rpsd-{plan.version}-{architecture()}"
    stage = plan.cache / f"tar-{plan.version}" / name
    shutil.rmtree(stage.parent, ignore_errors=True)
    build(plan, stage / "release")
    for folder in ("systemd", "etc"):
        shutil.copytree(ROOT / folder, stage / folder)
    for script in ("install.sh", "rpsd.sh", "renew-certificate.sh"):
        shutil.copy2(ROOT / "packaging" / script, stage / script)
    shutil.copy2(ROOT / "LICENSE", stage / "LICENSE")
    (stage / "VERSION").write_text(f"{plan.version}\n", encoding="utf-8")
    settle(stage, plan.epoch)
    target.mkdir(parents=True, exist_ok=True)
    packed, partial = target / f"{name}.tar.gz", target / f"{name}.partial"
    with partial.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for path in (stage, *sorted(stage.rglob("*"))):
            archive.add(path, str(path.relative_to(stage.parent)), recursive=False, filter=_plain)
    partial.replace(packed)
    shutil.rmtree(stage.parent)
    (target / "SHA256SUMS").write_text(sums(target), encoding="utf-8")
    return packed


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root, whoever builds it."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


if __name__ == "__main__":
    main()
