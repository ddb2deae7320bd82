"""A publisher that writes AMQP 0-9-1 frames itself, so that it can write wrong ones."""

import os
import socket
from struct import Struct, pack
from types import TracebackType
from urllib.parse import unquote, urlsplit

_METHOD, _HEADER, _BODY = 1, 2, 3  # kinds of frames
_BASIC = 60  # the class of publishing
_FRAME_END = b"\xce"
_PIECE = 100_000  # bytes of a body in one frame
_head = Struct(">BHI")
_name = Struct(">HH")

# Methods, as class and number.
_START_OK, _TUNE_OK, _OPEN = (10, 11), (10, 31), (10, 40)
_CHANNEL_OPEN, _SELECT, _PUBLISH = (20, 10), (85, 10), (60, 40)
_ACK = 60, 80


class Refused(Exception):
    """The broker closed the channel or the connection."""


def short(raw: bytes) -> bytes:
    """A short string; what is longer than 255 bytes is cut."""
    return bytes([len(raw[:255])]) + raw[:255]


def long(raw: bytes) -> bytes:
    """A long string, or the bytes of a table."""
    return pack(">I", len(raw)) + raw


class RawPublisher:
    """A connection with one channel, on which each message is confirmed before the next."""

    def __init__(self, url: str | None = None) -> None:
        self._url = urlsplit(url or os.environ["RABBITMQ_URL"])
        self._socket: socket.socket | None = None

    def __enter__(self) -> "RawPublisher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def publish(self, exchange: bytes, routing_key: bytes, properties: bytes, body: bytes) -> bool:
        """Publish a message; whether the broker has confirmed it. If not, it has refused it, as a
        broker does that reads these properties, and the next one goes over a new connection."""
        try:
            if self._socket is None:
                self._connect()
            self._send(_PUBLISH, pack(">H", 0) + short(exchange) + short(routing_key) + b"\0")
            self._frame(_HEADER, 1, pack(">HHQ", _BASIC, 0, len(body)) + properties)
            for start in range(0, len(body), _PIECE):
                self._frame(_BODY, 1, body[start : start + _PIECE])
            return self._answer() == _ACK
        except (Refused, OSError):
            self._close()
            return False

    def _connect(self) -> None:
        address = (self._url.hostname or "127.0.0.1", self._url.port or 5672)
        self._socket = socket.create_connection(address, timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"AMQP\0\0\x09\x01")
        self._answer()
        user, password = unquote(self._url.username or ""), unquote(self._url.password or "")
        login = long(f"\0{user}\0{password}".encode())
        self._send(_START_OK, long(b"") + short(b"PLAIN") + login + short(b"en_US"), channel=0)
        self._answer()
        self._send(_TUNE_OK, pack(">HIH", 10, 131_072, 0), channel=0)
        host = unquote(self._url.path.removeprefix("/")) or "/"
        self._send(_OPEN, short(host.encode()) + short(b"") + b"\0", channel=0)
        self._answer()
        self._send(_CHANNEL_OPEN, short(b""))
        self._answer()
        self._send(_SELECT, b"\0")
        self._answer()

    def _send(self, method: tuple[int, int], arguments: bytes, channel: int = 1) -> None:
        self._frame(_METHOD, channel, _name.pack(*method) + arguments)

    def _frame(self, kind: int, channel: int, payload: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(_head.pack(kind, channel, len(payload)) + payload + _FRAME_END)

    def _answer(self) -> tuple[int, int]:
        """The next method that the broker sends, which must not be one that closes something."""
        while True:
            kind, _, size = _head.unpack(self._receive(_head.size))
            payload = self._receive(size + 1)
            if kind == _METHOD:
                method: tuple[int, int] = _name.unpack_from(payload)
                if method in ((10, 50), (20, 40)):
                    raise Refused
                return method

    def _receive(self, size: int) -> bytes:
        assert self._socket is not None
        received = b""
        while len(received) < size:
            piece = self._socket.recv(size - len(received))
            if not piece:
                raise Refused
            received += piece
        return received

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
