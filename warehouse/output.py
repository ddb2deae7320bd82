"""Files that are written for people."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.errors import SourceError


@contextmanager
def written_for_people(*paths: Path) -> Iterator[None]:
    """Inside, files are written into one folder, which is made if it is missing.

    In a container we are root, and the folder is somebody's of the host: they get the files.

    Raises:
        SourceError: the folder or a file cannot be written.
    """
    folder = paths[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, folder.stat().st_uid, folder.stat().st_gid)
    except OSError as error:
        raise SourceError(f"{error.filename or folder}: {error.strerror or error}") from None
