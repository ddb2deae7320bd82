"""A TCP proxy between a program and a service, whose network can be cut and slowed."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

_PIECE = 65_536  # bytes forwarded at once


class Proxy:
    """Forwards ``port`` of 127.0.0.1 to a target, in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        """Listen on a free port, which is then ``self.port``."""
        self._target = (host, port)
        self._delay = 0.0
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.port: int = self._do(self._listen()).result()

    def cut(self) -> None:
        """Break every connection, and let no new one come about."""
        self._is_cut = True
        self._do(self._break_all()).result()

    def slow_down(self, seconds: float) -> None:
        """Hold every piece of data back for so long."""
        self._delay = seconds

    def mend(self) -> None:
        """Forward as if nothing had been."""
        self._is_cut, self._delay = False, 0.0

    def _do(self, task: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(task, self._loop)

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _break_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_writer}
        await asyncio.gather(self._forward(reader, to_writer), self._forward(to_reader, writer))
        self._writers -= {writer, to_writer}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
