"""The click-through rate of each category over the days: a panel each, all on one scale.

A rate without its base misleads, so the displays stand as bars behind the line, and in numbers
beside the name; categories with few of them are gathered in one panel.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import ceil, nan
from pathlib import Path
from typing import Any

from warehouse.errors import UsageError
from warehouse.output import written_for_people

try:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter
except ImportError:
    raise UsageError("the picture needs an extra: pip install 'event-warehouse[lake]'") from None

_COLUMNS = 4
_MOST_PANELS = 12
_RARE = 0.01  # of all displays
_LONGEST_NAME = 28
_MOST_TICKS = 4
_MARGIN = timedelta(days=0.7)  # left and right of a panel
_NO_CATEGORY = "no category"
_LINE, _BARS, _ALL, _TEXT = "#1f5fa8", "#dce6f1", "#8a8f98", "#30343b"
_PAPER: Any = {"font.family": "sans-serif", "font.size": 10, "svg.hashsalt": "article-report"}

Days = Iterable[tuple[date, str | None, int, int]]


@dataclass
class Series:
    """Displays and clicks of a category on each date on which it had any."""

    name: str
    counts: dict[date, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (0, 0)))

    def add(self, day: date, displays: int, clicks: int) -> None:
        """Count more of a date."""
        before = self.counts[day]
        self.counts[day] = before[0] + displays, before[1] + clicks

    @property
    def displays(self) -> int:
        """Of all dates."""
        return sum(displays for displays, _ in self.counts.values())

    @property
    def rate(self) -> float:
        """Clicks per display, of all dates."""
        clicks = sum(clicks for _, clicks in self.counts.values())
        return clicks / self.displays if self.displays else nan

    def rate_on(self, day: date) -> float:
        """Clicks per display on a date; not a number where nothing was displayed."""
        displays, clicks = self.counts.get(day, (0, 0))
        return clicks / displays if displays else nan


def draw(days: Days, folder: Path) -> list[Path]:
    """Draw the picture as PNG and SVG; the files, or none where nothing was displayed.

    The same rows give the same bytes.

    Args:
        days: date, category (None: unknown), displays, clicks.

    Raises:
        SourceError: the folder cannot be written.
    """
    panels, total = series(days)
    if not total.displays:
        return []
    paths = [folder / f"article_ctr.{kind}" for kind in ("png", "svg")]
    with written_for_people(*paths), rc_context(_PAPER):
        figure = _figure(panels, total)
        figure.savefig(paths[0], dpi=150, metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def series(days: Days) -> tuple[list[Series], Series]:
    """A series for each category worth a panel, the most displayed first; and that of all.

    What is displayed rarely, or beyond the number of panels, is gathered as the last one.
    """
    found: dict[str, Series] = {}
    total = Series("all")
    for day, category, displays, clicks in days:
        name = category or _NO_CATEGORY
        found.setdefault(name, Series(name)).add(day, displays, clicks)
        total.add(day, displays, clicks)
    ranked = sorted(found.values(), key=lambda s: (-s.displays, s.name))
    n_common = sum(s.displays >= _RARE * total.displays for s in ranked)
    if min(n_common, _MOST_PANELS) == len(ranked):
        return ranked, total
    n_kept = min(n_common, _MOST_PANELS - 1)
    kept, rare = ranked[:n_kept], ranked[n_kept:]
    gathered = Series(f"{len(rare)} others" if len(rare) > 1 else rare[0].name)
    for one in rare:
        for day, (displays, clicks) in one.counts.items():
            gathered.add(day, displays, clicks)
    return [*kept, gathered], total


def _figure(panels: list[Series], total: Series) -> Figure:
    first, last = min(total.counts), max(total.counts)
    dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    columns = min(_COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    highest = max(p.rate_on(day) for p in panels for day in dates if p.rate_on(day) >= 0)
    most = max(displays for p in panels for displays, _ in p.counts.values())
    figure = Figure(figsize=(max(3.2 * columns, 7.5), 2.3 * rows + 1.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, panel in zip(grid.flat, panels):
        _panel(axes, panel, total, dates, most)
    grid[0][0].set_ylim(0, 1.25 * highest or 1)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in list(grid.flat)[max(0, len(panels) - columns) : len(panels)]:
        axes.tick_params(labelbottom=True)
    figure.suptitle(_title(panels, total, dates), x=0.01, ha="left", fontsize=12, color=_TEXT)
    figure.supxlabel(
        "Line: clicks per display.  Dashed: of all categories.  Bars: displays, on one scale"
        " of their own.",
        x=0.01,
        ha="left",
        fontsize=8.5,
        color=_ALL,
    )
    return figure


def _panel(axes: Any, panel: Series, total: Series, dates: list[date], most: int) -> None:
    bars = axes.twinx()
    bars.bar(dates, [panel.counts.get(day, (0, 0))[0] for day in dates], color=_BARS, width=0.8)
    bars.set_ylim(0, 1.6 * most)
    bars.set_axis_off()
    axes.set_zorder(bars.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot(dates, [total.rate_on(day) for day in dates], "--", color=_ALL, linewidth=1)
    marker = "o" if len(dates) <= 31 else None
    rates = [panel.rate_on(day) for day in dates]
    axes.plot(dates, rates, color=_LINE, linewidth=2, marker=marker, markersize=4)
    if rates[-1] >= 0:
        place = {"textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate(f"{rates[-1]:.1%}", (dates[-1], rates[-1]), (6, 0), color=_LINE, **place)
    base = f"{panel.rate:.1%} of {panel.displays:,} displays" if panel.displays else "no displays"
    name = panel.name if len(panel.name) <= _LONGEST_NAME else panel.name[: _LONGEST_NAME - 1] + "…"
    axes.set_title(name, loc="left", fontsize=11, fontweight="bold", color=_TEXT, pad=16)
    axes.annotate(base, (0, 1), (0, 4), "axes fraction", "offset points", fontsize=8.5, color=_ALL)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ticks = dates[:: ceil(len(dates) / _MOST_TICKS)]
    axes.set_xticks(ticks, [f"{day:%-d %b}" for day in ticks])
    left, right = (datetime.combine(day, time()) for day in (dates[0], dates[-1]))
    axes.set_xlim(left - _MARGIN, right + _MARGIN + timedelta(days=len(dates) / 6))  # a number
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_TEXT, labelsize=8)


def _title(panels: list[Series], total: Series, dates: list[date]) -> str:
    common = (p for p in panels if p.displays >= _RARE * total.displays)
    ranked = sorted(common, key=lambda p: p.rate)
    when = f"{dates[0]:%-d %b %Y}" + (f" to {dates[-1]:%-d %b %Y}" if len(dates) > 1 else "")
    said = f"Readers clicked {total.rate:.1%} of {total.displays:,} displayed cards, {when}"
    if len(ranked) > 1:
        said += (
            f":\nmost often {ranked[-1].name} ({ranked[-1].rate:.1%}),"
            f" least often {ranked[0].name} ({ranked[0].rate:.1%})"
        )
    return said
