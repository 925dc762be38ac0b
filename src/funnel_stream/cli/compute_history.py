"""``compute --every`` and ``--plot``: figures over history into a file, and pictures of them."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from funnel_stream.cli.delivery import progress_bar
from funnel_stream.cli.event_file import (
    explain_amended,
    explain_rejected,
    no_events,
    opened,
    watched,
)
from funnel_stream.cli.figure_files import (
    Add,
    check_format,
    figure_file,
    figure_stream,
    label_names,
)
from funnel_stream.cli.figure_request import FigureRequest
from funnel_stream.cli.plot import draw
from funnel_stream.cli.plot_data import Recorder, chosen, funnels
from funnel_stream.contract.timestamps import moment
from funnel_stream.definition.time import minutes_of
from funnel_stream.errors import UsageError
from funnel_stream.replay.history import History, instants
from funnel_stream.windows.tables import Snapshot

DRAWN_BY_DEFAULT: Final = "sales_conversion_ratio"
MOST_DRAWN: Final = 3


def over_history(
    events: Path,
    request: FigureRequest,
    every: str,
    begin: int | None,
    end: int | None,
    *,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Figures of one dimension (or the totals) at every step from ``begin`` to ``end`` (µs).

    Raises ``UsageError``.
    """
    try:
        step = minutes_of(every)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from error
    if out is not None and out != Path("-"):
        check_format(out)
    recorder = _recorder(request) if plot is not None else None
    with opened(events) as file, progress_bar("reading") as show:
        now_ms = time.time_ns() // 1_000_000
        history = History(watched(file, show), request.definition, now_ms=now_ms)
    times = _times(history, step, every, begin, end, events)
    printed = out in (None, Path("-")) and (plot is None or as_json)
    snapshot: Snapshot | None = None
    with (
        _sink(request, out, as_json=as_json, printed=printed) as add,
        progress_bar("computing") as show,
    ):
        for number, snapshot in enumerate(history.snapshots(times), start=1):
            if add is not None:
                add(snapshot.as_of, request.samples(snapshot))
            if recorder is not None:
                recorder.add(snapshot)
            show(number / len(times), history.counts["accepted"])
    explain_rejected(history.rejected)
    explain_amended(history.amended)
    if plot is not None and snapshot is not None:
        draw_funnels(plot, snapshot, request, recorder)


def _times(
    history: History, step: int, every: str, begin: int | None, end: int | None, events: Path
) -> range:
    if history.first is None or history.last is None:
        explain_rejected(history.rejected)
        raise no_events(events)
    first = history.first if begin is None else begin
    last = history.last if end is None else end
    times = instants(first, last, step)
    if not times:
        raise UsageError(
            f"no step of {every} lies between {_instant_text(first)} and {_instant_text(last)}",
            hint="Set --from and --to, or a shorter --every.",
        )
    return times


def _instant_text(at: int) -> str:
    return moment(at).isoformat()


@contextmanager
def _sink(
    request: FigureRequest, out: Path | None, *, as_json: bool, printed: bool
) -> Iterator[Add | None]:
    labels = label_names(request.kpis, request.definition, breakdown=bool(request.dimension))
    if printed:
        with figure_stream(labels, as_json=as_json) as add:
            yield add
    elif out is not None and out != Path("-"):
        with figure_file(out, labels) as add:
            yield add
    else:
        yield None


def _recorder(request: FigureRequest) -> Recorder:
    kpis = chosen(request.kpis if request.named else (DRAWN_BY_DEFAULT,))
    if len(kpis) > MOST_DRAWN:
        raise UsageError(
            f"--plot draws at most {MOST_DRAWN} KPIs, not {len(kpis)}",
            hint="Give fewer --kpi options.",
        )
    # Long enough to be smooth, short enough to move.
    window = request.window or request.definition.breakdown_windows()[0]
    return Recorder(kpis, window, request.dimension or "")


def draw_funnels(
    plot: Path, snapshot: Snapshot, request: FigureRequest, recorder: Recorder | None = None
) -> None:
    """Draw the funnels as of the snapshot, and beside them what was recorded over time."""
    window = request.window or request.definition.longest_window().name
    found = funnels(snapshot, window)
    draw(
        plot,
        request.definition,
        snapshot.as_of,
        [(each, recorder.curves(each.pipeline) if recorder else []) for each in found],
        times=recorder.times if recorder else (),
        windows=(window, recorder.window if recorder else window),
        by=recorder.by if recorder else "",
    )
    print(f"{plot} written", file=sys.stderr)
