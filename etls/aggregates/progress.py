"""How far long work is: a bar for a person at a terminal, a line a phase for a log."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress as Bars
from rich.progress import TextColumn, TimeElapsedColumn

_LOOK_EVERY = 0.2  # seconds


class Progress:
    """Where the phases of a job are shown: on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def phase(self, name: str, percent: Callable[[], float] | None = None) -> Iterator[None]:
        """Show a phase while it lasts; ``percent`` says how much of it is done, from 0 to 100."""
        if not self._console.is_terminal:
            print(f"{name} ...", file=sys.stderr, flush=True)
            yield
            return
        done = threading.Event()
        columns = (TextColumn("{task.description:24}"), BarColumn(), TimeElapsedColumn())
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(name, total=100 if percent else None)

            def look() -> None:
                while percent and not done.wait(_LOOK_EVERY):
                    bars.update(task, completed=max(0.0, percent()))

            watcher = threading.Thread(target=look, daemon=True)
            watcher.start()
            try:
                yield
                bars.update(task, total=100, completed=100)
            finally:
                done.set()
                watcher.join()
