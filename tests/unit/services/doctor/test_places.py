"""Findings about directories and disks."""

import os
from pathlib import Path

from rpsd.config import read
from rpsd.services.doctor import places
from rpsd.services.doctor.kernels import COMPARED, disagreements

DEVICE = os.makedev(8, 1)


def block(root: Path, name: str, uuid: str = "", above: Path | None = None) -> Path:
    """A block device as /sys shows it, on top of another one."""
    device = root / "devices" / name
    (device / "slaves").mkdir(parents=True)
    if uuid:
        (device / "dm").mkdir()
        (device / "dm" / "uuid").write_text(uuid)
    if above is not None:
        (above / "slaves" / name).symlink_to(device)
    return device


def test_an_encrypted_device_is_found_below_a_logical_volume(tmp_path: Path) -> None:
    volume = block(tmp_path, "dm-1", "LVM-abc")
    (tmp_path / "8:1").symlink_to(volume)
    assert places.encryption("e", DEVICE, tmp_path).status == "note"
    block(tmp_path, "dm-0", "CRYPT-LUKS2-abc", above=volume)
    assert places.encryption("e", DEVICE, tmp_path).status == "ok"


def test_a_device_that_the_system_does_not_show(tmp_path: Path) -> None:
    assert "does not tell" in places.encryption("e", DEVICE, tmp_path).detail


def test_too_little_space_is_a_failure(tmp_path: Path) -> None:
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path), "RPSD_STORAGE__MIN_FREE_BYTES": "1000000GiB"})
    assert next(one for one in places.disks(settings) if one.name == "disk_data").status == "failed"


def test_a_missing_directory_is_made_as_it_should_be(tmp_path: Path) -> None:
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path / "data")})
    for found in places.directories(settings):
        assert found.fix is not None
        found.fix()
    assert (tmp_path / "data" / "secrets").stat().st_mode & 0o777 == 0o700
    assert {one.status for one in places.directories(settings)} == {"ok"}


def test_kernels_agree_with_their_references_and_a_wrong_one_is_named(monkeypatch: object) -> None:
    assert disagreements() == []
    name, pair = COMPARED[0]
    kernel, reference = pair()
    kernel[7] += 1e-6
    from rpsd.services.doctor import kernels

    monkeypatch.setattr(kernels, "COMPARED", ((name, lambda: (kernel, reference)),))  # type: ignore[attr-defined]
    assert disagreements() == [name]
