"""Files in S3, and in stores that speak its protocol, as fsspec reads them.

Credentials and region are those of every AWS client (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, …);
``AWS_ENDPOINT_URL`` names another store, ``S3_ANONYMOUS=true`` asks without credentials.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from warehouse.errors import UsageError
from warehouse.settings import store_settings

_SCHEME = "s3://"


def is_remote(path: str) -> bool:
    """Whether the file is in S3."""
    return path.startswith(_SCHEME)


def remote_files() -> Any:
    """S3 as an fsspec file system.

    Raises:
        UsageError: s3fs is not installed.
    """
    try:
        import s3fs  # pylint: disable=import-outside-toplevel  # an extra
    except ImportError:
        raise UsageError("s3:// needs an extra: pip install 'event-warehouse[s3]'") from None
    config = store_settings()
    endpoint = str(config.aws_endpoint_url) if config.aws_endpoint_url else None
    return s3fs.S3FileSystem(anon=config.s3_anonymous, endpoint_url=endpoint)


def open_remote(path: str) -> io.BufferedReader:
    """A file's bytes as they are; opening and reading raise OSError."""
    with _as_os_errors():
        return io.BufferedReader(_RemoteFile(remote_files().open(path, "rb")))


def fingerprint(path: str) -> str:
    """What changes when the content does: the store's own tag of it. Raises OSError."""
    with _as_os_errors():
        found = remote_files().info(path)
    return f"{found['size']}-{str(found.get('ETag', '')).strip(chr(34))}"


def list_remote(prefix: str) -> list[str]:
    """The addresses of the files right under a prefix. Raises OSError."""
    with _as_os_errors():
        found = remote_files().ls(prefix.rstrip("/"), detail=True, refresh=True)
    return [f"{_SCHEME}{entry['name']}" for entry in found if entry["type"] == "file"]


class _RemoteFile(io.RawIOBase):
    """Bytes of a file in S3; whatever goes wrong is an OSError, as with a file of the disk."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _as_os_errors():
            return int(self._file.readinto(buffer))

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _as_os_errors() -> Iterator[None]:
    from botocore.exceptions import (  # pylint: disable=import-outside-toplevel  # an extra
        BotoCoreError,
    )

    try:
        yield
    except BotoCoreError as error:
        raise OSError(str(error)) from None
