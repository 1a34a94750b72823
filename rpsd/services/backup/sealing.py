"""Encrypted backups: age or gpg as a child process, without a shell, fed and read through pipes."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from rpsd.core.errors import BadBackup, Fault, InvalidRequest, MissingExtra, UnknownFile
from rpsd.services.backup.naming import SEALS
from rpsd.services.backup.program import run, said
from rpsd.services.backup.workplace import workplace

_AGE: Final = ("age1", "ssh-ed25519 ", "ssh-rsa ")


def seal_of(recipient: str) -> str:
    """The suffix of what is encrypted to the recipient: .age for an age or SSH public key, else .gpg. Raises InvalidRequest."""
    if not recipient or recipient.startswith("-") or not recipient.isprintable():
        reason = "expected an age or SSH public key, or the name of a gpg key"
        raise InvalidRequest(f"encrypt_to: {reason}", errors=[Fault("/encrypt_to", reason)])
    return ".age" if recipient.startswith(_AGE) else ".gpg"


def command_of(recipient: str) -> list[str]:
    """The program and its arguments that encrypt standard input to standard output. Raises InvalidRequest, MissingExtra."""
    if seal_of(recipient) == ".age":
        return [_program("age"), "--encrypt", "--recipient", recipient]
    return [_program("gpg"), "--batch", "--quiet", "--trust-model", "always", "--encrypt", "--recipient", recipient]


def seal(pieces: Iterable[bytes], recipient: str, out: BinaryIO) -> None:
    """Encrypt the pieces to the recipient into out, a real file or pipe. Raises InvalidRequest, MissingExtra, BadBackup."""
    command = command_of(recipient)
    with tempfile.TemporaryFile() as words:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=words) as child:  # noqa: S603 - a fixed program, no shell
            assert child.stdin is not None
            try:
                for piece in pieces:
                    child.stdin.write(piece)
                child.stdin.close()
            except BrokenPipeError:  # its words say why
                with suppress(BrokenPipeError):
                    child.stdin.close()  # what is left in the buffer goes nowhere
            except BaseException:
                child.kill()
                raise
        if child.returncode:
            raise BadBackup(f"{Path(command[0]).name} failed: {said(words)}", hint="Is the recipient's key right, and known here?")


@contextmanager
def plain(path: Path, identity: Path | None, scratch: Path) -> Iterator[Path]:
    """The backup itself; of one that is encrypted a decrypted copy (0600) below scratch, which is gone afterwards.

    `identity` is the file with the private key of age; gpg asks its agent. Raises UnknownFile, BadBackup, MissingExtra.
    """
    if path.suffix not in SEALS:
        yield path
        return
    if not path.is_file():
        raise UnknownFile(f"there is no file {path}")
    if path.suffix == ".age":
        if identity is None:
            raise BadBackup(f"{path.name} is encrypted", hint="Give the private key: --identity FILE.")
        command = [_program("age"), "--decrypt", "--identity", str(identity.absolute())]
    else:
        command = [_program("gpg"), "--batch", "--quiet", "--decrypt"]
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with workplace(scratch) as work:
        target = work / path.stem
        with path.open("rb") as source, target.open("xb") as out:
            target.chmod(0o600)
            if (failure := run(command, source=source, target=out)) is not None:
                raise BadBackup(f"{path.name} cannot be decrypted: {failure}")
        yield target


def _program(name: str) -> str:
    """Its path. Raises MissingExtra."""
    found = shutil.which(name)
    if found is None:
        raise MissingExtra(f"the program {name} is not installed", hint=f"apt install {'gnupg' if name == 'gpg' else name}")
    return found
