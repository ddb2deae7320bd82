"""Files and folders of the local stack: what is secret is its owner's alone."""

import os
import stat
from pathlib import Path

import pytest

from stack.processes import Owner
from warehouse.errors import UsageError

MYSELF = Owner(os.geteuid(), os.getegid())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_its_owners_alone_even_where_a_file_was_before(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a longer text than the new one")
    path.chmod(0o644)
    MYSELF.write_secret(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)


def test_a_secret_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        MYSELF.write_secret(tmp_path / "secret", "new")
    assert (tmp_path / "elsewhere").read_text() == "untouched"


def test_nobody_else_looks_into_a_folder_of_the_stack(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    for path in (old, tmp_path / "new", tmp_path / "more" / "new"):
        assert mode(MYSELF.take(path)) == 0o700
    assert mode(MYSELF.take_in_shared_folder(tmp_path / "shared")) == 0o700
    assert mode(MYSELF.take_in_shared_folder(tmp_path / "shared")) == 0o700, "ours, once more"


def test_a_folder_that_somebody_else_made_beforehand_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: MYSELF.uid + 1)
    with pytest.raises(UsageError, match="was made by somebody else"):
        Owner(MYSELF.uid + 2, MYSELF.gid).take_in_shared_folder(made)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.touch()
    with pytest.raises(UsageError, match="was made by somebody else"):
        MYSELF.take_in_shared_folder(path)
