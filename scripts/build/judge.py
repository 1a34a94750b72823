"""`make check-deb`: what can be said of the package without installing it: lintian finds no error, and a second build gives the same bytes.

The second build has nothing of the first: a copy of the sources at another path, libraries fetched anew, another home, umask, language and
time zone.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from scripts.build.deb import architecture, epoch
from scripts.build.tree import ROOT
from scripts.build.words import version_of

_ELSEWHERE: Final = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
_UNAVAILABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h


def main() -> None:
    """Judge the package in .cache/deb; exit code 1 where it fails, 69 where a tool is missing."""
    deb = ROOT / ".cache" / "deb" / f"rpsd_{version_of()}_{architecture()}.deb"
    for tool in ("lintian", "git"):
        if shutil.which(tool) is None:
            print(f"make check-deb needs {tool}: apt-get install {tool}", file=sys.stderr)
            sys.exit(_UNAVAILABLE)
    begin = time.monotonic()
    good = lintian(deb)
    print(f"lintian: {'no errors' if good else 'errors'}, {time.monotonic() - begin:.0f} s", flush=True)
    begin, differing = time.monotonic(), twice(deb)
    told = "the same bytes" if not differing else "other bytes: " + ", ".join(differing[:20])
    print(f"a second build elsewhere: {told}, {time.monotonic() - begin:.0f} s")
    sys.exit(0 if good and not differing else 1)


def lintian(deb: Path) -> bool:
    """Whether lintian finds no error in it; it prints what it finds."""
    return (
        subprocess.run(["lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", str(deb)], check=False).returncode == 0
    )


def twice(deb: Path) -> list[str]:
    """What differs between the package and one that is built of the same sources elsewhere; nothing when all bytes are the same."""
    with tempfile.TemporaryDirectory(prefix="rpsd-") as place:
        house = Path(place) / "another" / "house"
        _copy_sources(house)
        command = f"umask 077; exec /usr/bin/python3 -m scripts.build.deb --to {place}/built"
        environment = os.environ | _ELSEWHERE | {"HOME": place, "SOURCE_DATE_EPOCH": str(epoch())}
        subprocess.run(["sh", "-c", command], cwd=house, env=environment, check=True, stdout=subprocess.DEVNULL)
        second = Path(place) / "built" / deb.name
        if filecmp.cmp(deb, second, shallow=False):
            return []
        for one, name in ((deb, "first"), (second, "second")):
            subprocess.run(["dpkg-deb", "--raw-extract", one, Path(place) / name], check=True)
        return differences(Path(place) / "first", Path(place) / "second") or ["the archive, with the same files in it"]


def differences(first: Path, second: Path) -> list[str]:
    """The names below two directories that are not the same in both: kind, permissions, moment, content."""
    names = sorted({path.relative_to(root).as_posix() for root in (first, second) for path in root.rglob("*")})
    return [name for name in names if _told(first / name) != _told(second / name)]


def _told(path: Path) -> tuple[object, ...]:
    if not path.is_symlink() and not path.exists():
        return ()
    status = path.lstat()
    content: object = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return status.st_mode, int(status.st_mtime), content


def _copy_sources(house: Path) -> None:
    """What git knows of, as it stands in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # one that was removed and not committed is no source
            (house / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, house / name)


if __name__ == "__main__":
    main()
