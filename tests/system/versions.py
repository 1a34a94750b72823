"""Packages of other versions, made from the one that was built: the same release under another number, or broken on purpose."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rpsd import __version__

CONFFILES: Final = ("etc/rpsd/config.yaml", "etc/default/rpsd")
SITE: Final = "venv/lib/python3.*/site-packages/rpsd"


def unpacked(deb: Path, place: Path) -> Path:
    """The package laid open in `place`, for versions to be made of it."""
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(place)], check=True, capture_output=True)
    return place


def version_of(tree: Path, version: str, place: Path, *, spoil: Callable[[Path], None] = lambda _code: None, remark: str = "") -> Path:
    """A package of another version, made of hard links but for what differs. Not compressed.

    `spoil` may break its code; `remark` is a last line for the two files of settings.
    """
    work = place / f"tree-{version}"
    shutil.copytree(tree, work, symlinks=True, copy_function=os.link)
    release = work / "usr/lib/rpsd/releases" / __version__
    renamed = release.rename(release.with_name(version))
    code = renumbered(renamed, version)
    control = work / "DEBIAN"
    for name in ("control", "preinst", "postinst", "prerm", "postrm"):
        if (control / name).exists():
            _rewrite(control / name, __version__, version)
    (control / "md5sums").unlink(missing_ok=True)
    for name in CONFFILES if remark else ():
        text = (work / name).read_text(encoding="utf-8")
        _rewrite(work / name, text, f"{text}# {remark}\n")
    spoil(code)
    deb = place / f"rpsd_{version}.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(work), str(deb)], check=True, capture_output=True)
    shutil.rmtree(work)
    return deb


def renumbered(release: Path, version: str) -> Path:
    """Give the tree of a release another version; the directory of its code."""
    code = next(release.glob(SITE))
    _rewrite(code / "__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{version}"')
    for compiled in (code / "__pycache__").glob("__init__.*"):  # compiled without a look at its source
        compiled.unlink()
    # it names its release: else it would run the other one's code
    _rewrite(release / "venv/bin/python", f"/{__version__}/", f"/{version}/")
    return code


def replace_module(code: Path, name: str, text: str) -> None:
    """Put another text in the place of a module of rpsd, compiled form and all."""
    path = code / name
    path.unlink()
    path.write_text(text, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def _rewrite(path: Path, old: str, new: str) -> None:
    """Replace a text in a file that may be a link to one that must stay as it is."""
    mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    path.unlink()
    path.write_text(text.replace(old, new), encoding="utf-8")
    path.chmod(mode & 0o777)
