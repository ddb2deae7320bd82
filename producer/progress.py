"""What a person sees while an import runs, and what is left on the screen after it."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from warehouse.outbox import Outbox
from warehouse.visible import visible

_PLAIN_EVERY = 5.0  # seconds between lines where no terminal can redraw one


class ProgressDisplay:
    """Rows and rows per second: a line redrawn on a terminal, a line now and then elsewhere."""

    def __init__(self, feed: str, waits_for_consumer: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._feed = feed
        self._waits_for_consumer = waits_for_consumer
        self._started = self._moved = self._printed = time.monotonic()
        self._answered = 0
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._live.add_task(f"{feed}: connecting")

    def __enter__(self) -> "ProgressDisplay":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    @property
    def seconds(self) -> float:
        """How long the import has been running."""
        return time.monotonic() - self._started

    def update(self, outbox: Outbox) -> None:
        """Show where the import stands."""
        now = time.monotonic()
        if outbox.rows_answered != self._answered:
            self._answered, self._moved = outbox.rows_answered, now
        if self._console.is_terminal:
            self._live.update(self._task, description=self._describe(outbox, now))
        elif now - self._printed >= _PLAIN_EVERY:
            self._printed = now
            self._console.print(self._describe(outbox, now), soft_wrap=True)

    def _describe(self, outbox: Outbox, now: float) -> str:
        rate = self._answered / max(now - self._started, 0.001)
        text = (
            f"{self._feed}: {outbox.rows_sent:,} rows published, "
            f"{self._answered:,} done, {rate:,.0f} rows/s"
        )
        if outbox.trouble:
            text += f" (waiting: {visible(outbox.trouble)})"
        elif self._waits_for_consumer and outbox.rows_sent and now - self._moved > _PLAIN_EVERY:
            text += " (waiting for the consumer: is it running? see make logs)"
        return text
