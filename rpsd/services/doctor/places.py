"""Directories, secrets and disks, looked at from outside of the server: it need not run."""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from rpsd.config import Settings
from rpsd.config.confidential import secret_faults
from rpsd.config.secret import webhook_faults
from rpsd.services.doctor.finding import FAILED, NOTE, OK, WARNING, Finding
from rpsd.store.db import FILE_NAME
from rpsd.store.lock import REMOTE, file_system

_OTHERS: Final = stat.S_IRWXO
_NOT_OWNER: Final = stat.S_IRWXG | stat.S_IRWXO
_GIB: Final = 1 << 30
_LOW_SHARE: Final = 0.1
_SYS: Final = Path("/sys/dev/block")


def directories(settings: Settings) -> Iterator[Finding]:
    """The places that rpsd needs: there, and closed to others."""
    asked = (
        ("data", settings.storage.data_dir, 0o700, _NOT_OWNER),
        ("secrets", settings.storage.secrets_dir, 0o700, _OTHERS),
        ("backups", settings.backup.dir, 0o700, _OTHERS),
        ("cache", settings.storage.cache_dir, 0o755, stat.S_IWOTH),
    )
    for name, place, mode, unwanted in asked:
        yield _directory(f"directory_{name}", place, mode, unwanted, settings.storage.data_dir)


def _directory(name: str, place: Path, mode: int, unwanted: int, home: Path) -> Finding:
    try:
        found = place.stat()
    except FileNotFoundError:
        status = FAILED if place == home else WARNING
        return Finding(name, status, f"{place} does not exist", "`rpsd doctor --fix` makes it.", partial(_make, place, mode, home))
    except OSError as error:
        return Finding(name, NOTE, f"{place} cannot be looked at: {error.strerror}", "Run the doctor as root or as the user of rpsd.")
    if not stat.S_ISDIR(found.st_mode):
        return Finding(name, FAILED, f"{place} is not a directory", "Move it away, or set another place.")
    if found.st_mode & unwanted:
        told = f"{place} has mode {stat.S_IMODE(found.st_mode):04o}"
        return Finding(name, FAILED, told, f"Run chmod {mode:04o} {place}, or `rpsd doctor --fix`.", _repair(place, mode, home))
    return Finding(name, OK, f"{place}, mode {stat.S_IMODE(found.st_mode):04o}")


def _repair(place: Path, mode: int, home: Path) -> Callable[[], None] | None:
    """What closes a directory. The data directory may be a link, as the settings say it; one inside it is left to whoever put it there."""
    if place == home:
        return partial(place.chmod, mode)
    return None if place.is_symlink() else partial(_change, place, partial(os.fchmod, mode=mode), directory=True)


def _change(place: Path, change: Callable[[int], None], *, directory: bool = False) -> None:
    """Change the file or directory itself. Raises OSError for a link, or a file with a second name: they may lead root elsewhere."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_DIRECTORY if directory else 0))
    try:
        found = os.fstat(descriptor)
        if not directory and (not stat.S_ISREG(found.st_mode) or found.st_nlink != 1):
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(place))
        change(descriptor)
    finally:
        os.close(descriptor)


def _is_own(path: Path) -> bool:
    """Whether it is a file, and neither a link nor another name of one elsewhere."""
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _make(place: Path, mode: int, home: Path) -> None:
    """Make the directory, for the owner of the data where root asks."""
    owner = home.stat() if home.is_dir() else None
    place.mkdir(mode, parents=True, exist_ok=True)
    place.chmod(mode)
    if owner is not None and os.geteuid() == 0:
        os.chown(place, owner.st_uid, owner.st_gid, follow_symlinks=False)


def has_data(settings: Settings) -> bool:
    """Whether there is a database."""
    return (settings.storage.data_dir / FILE_NAME).is_file()


def files(settings: Settings) -> Iterator[Finding]:
    """The database's files: of the owner of the directory, and readable by nobody else."""
    data = settings.storage.data_dir
    try:
        owner, held = data.stat(), sorted(path for path in data.glob(f"{FILE_NAME}*") if _is_own(path))
    except OSError:
        return  # directories() has said so
    foreign = [path for path in held if path.stat().st_uid != owner.st_uid]
    if foreign:
        names = ", ".join(path.name for path in foreign)
        fix = partial(_each, foreign, partial(os.fchown, uid=owner.st_uid, gid=owner.st_gid)) if os.geteuid() == 0 else None
        told = f"{names} belong to another user than {data}"
        yield Finding("file_owner", FAILED, told, f"As root: chown --reference={data} {data}/{FILE_NAME}*", fix)
    readable = [path for path in held if path.stat().st_mode & _NOT_OWNER]
    if readable:
        names = ", ".join(path.name for path in readable)
        fix = partial(_each, readable, partial(os.fchmod, mode=0o600))
        yield Finding("file_modes", FAILED, f"others can open {names}", "`rpsd doctor --fix` closes them.", fix)
    if held and not foreign and not readable:
        yield Finding("file_modes", OK, f"{len(held)} files of the database, closed to others")
    if not held:
        yield Finding("file_modes", NOTE, f"{data} holds no database yet", "`rpsd init` makes one.")


def _each(paths: list[Path], change: Callable[[int], None]) -> None:
    for path in paths:
        _change(path, change)


def secrets(settings: Settings) -> Iterator[Finding]:
    """Secret files and the settings file: their modes, and whether they could be guessed."""
    faults = [*secret_faults(settings), *webhook_faults(settings)]
    opened = list(_opened(settings))
    fix = partial(_each, opened, partial(os.fchmod, mode=0o600)) if opened else None
    for fault in faults:
        yield Finding("secrets", FAILED, f"{fault.pointer}: {fault.reason}", "", fix if "can be read by" in fault.reason else None)
    known = {str(path) for path in opened if any(str(path) in fault.reason for fault in faults)}
    if rest := [path for path in opened if str(path) not in known]:
        names = ", ".join(path.name for path in rest)
        yield Finding("secrets", WARNING, f"{names}: more than the owner can open it", "`rpsd doctor --fix` makes them 0600.", fix)
    if not faults and not opened:
        yield Finding("secrets", OK, "closed to others, none that could be guessed")


def _opened(settings: Settings) -> Iterator[Path]:
    """Secret files that more than their owner can open."""
    place = settings.storage.secrets_dir
    if os.access(place, os.R_OK | os.X_OK):
        for path in sorted(place.iterdir()):
            if _is_own(path) and path.stat().st_mode & _NOT_OWNER:
                yield path


def disks(settings: Settings) -> Iterator[Finding]:
    """Free space, kind and encryption of the disks below data and backups."""
    seen: set[int] = set()
    for name, place in (("data", settings.storage.data_dir), ("backups", settings.backup.dir)):
        nearest = next(path for path in (place, *place.parents) if path.exists())
        yield _space(f"disk_{name}", nearest, settings.storage.min_free_bytes if name == "data" else 0)
        device = nearest.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        if remote := file_system(nearest) & REMOTE and name == "data":
            yield Finding("file_system", FAILED, f"{place} lies on a network disk", "A database needs a local disk.")
        if not remote:
            yield encryption(f"encryption_{name}", device)


def _space(name: str, place: Path, least: int) -> Finding:
    usage = shutil.disk_usage(place)
    told = f"{usage.free / _GIB:,.1f} of {usage.total / _GIB:,.1f} GiB free at {place}"
    if least and usage.free < least:
        return Finding(name, FAILED, f"{told}; writes are refused below {least / _GIB:,.1f} GiB", "Make room, or lower retention.")
    if usage.free < _LOW_SHARE * usage.total:
        return Finding(name, WARNING, told, "Make room: a backup needs twice the size of the database for a while.")
    return Finding(name, OK, told)


def encryption(name: str, device: int, root: Path = _SYS) -> Finding:
    """Whether the block device, or one that it is made of, is a LUKS mapping. A note, as a locked room may be enough."""
    block = root / f"{os.major(device)}:{os.minor(device)}"
    if not block.exists():
        return Finding(name, NOTE, "the system does not tell what the file system lies on", "")
    if _is_crypt(block.resolve()):
        return Finding(name, OK, f"{block.resolve().name} is encrypted")
    hint = "The chapter on recovery shows LUKS; without it a stolen disk can be read."
    return Finding(name, NOTE, f"{block.resolve().name} is not encrypted", hint)


def _is_crypt(block: Path) -> bool:
    uuid = block / "dm" / "uuid"
    if uuid.is_file() and uuid.read_text(errors="replace").startswith("CRYPT-"):
        return True
    below = block / "slaves"
    return below.is_dir() and any(_is_crypt(slave.resolve()) for slave in below.iterdir())
