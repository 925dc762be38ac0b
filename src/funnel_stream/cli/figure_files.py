"""Figures of many instants as a file: CSV, JSON, NDJSON or Parquet, written whole or not at all."""

import csv
import io
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from funnel_stream.contract.timestamps import moment
from funnel_stream.definition import Definition
from funnel_stream.errors import UsageError
from funnel_stream.kpis.catalogue import ATTAINMENT, BY_ID, TARGET
from funnel_stream.kpis.samples import Sample

_SCOPE_LABELS: Final = ("pipeline", "window", "dimension", "value")
_RENAMED: Final = {"value": "dimension_value"}
"""Labels whose column has another name: ``value`` is the figure's."""
_ROWS_PER_GROUP: Final = 100_000

Add = Callable[[int, Iterable[Sample]], None]
"""Takes the figures as of an instant (µs)."""


def label_names(kpis: Iterable[str], definition: Definition, *, breakdown: bool) -> tuple[str, ...]:
    """The labels that figures of these KPIs can have, in the order of their columns."""
    scope_labels = [name for name in _SCOPE_LABELS if breakdown or name in ("pipeline", "window")]
    kpi_labels: dict[str, None] = {}
    for name in kpis:
        if name in (TARGET, ATTAINMENT):
            kpi_labels["kpi"] = None
            labels = [label for target in definition.targets for label in target.labels]
        else:
            form = BY_ID[name].form
            quantile = ("quantile",) if form.quantiles else ()
            labels = [*form.labels, *quantile]
        kpi_labels.update(dict.fromkeys(label for label in labels if label not in _SCOPE_LABELS))
    return (*scope_labels, *kpi_labels)


class _FigureWriter(ABC):
    """Writes rows of figures in one format to an open file."""

    def __init__(self, file: BinaryIO, labels: Sequence[str]) -> None:
        self.file = file
        self.labels = labels
        self.columns = ["time", "metric", *(_RENAMED.get(name, name) for name in labels), "value"]

    @abstractmethod
    def add(self, instant: int, found: Iterable[Sample]) -> None: ...

    @abstractmethod
    def finish(self) -> None:
        """All has been added."""


class _Csv(_FigureWriter):
    def __init__(self, file: BinaryIO, labels: Sequence[str]) -> None:
        super().__init__(file, labels)
        self._write([self.columns])

    def _write(self, rows: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.file.write(text.getvalue().encode())

    def add(self, instant: int, found: Iterable[Sample]) -> None:
        time, names = _written(moment(instant)), self.labels
        self._write(
            (time, metric, *[labels.get(name, "") for name in names], value)
            for metric, labels, value in found
        )

    def finish(self) -> None:
        pass


class _Ndjson(_FigureWriter):
    """One object a line, as ``/api/kpis`` gives them, with their time."""

    def add(self, instant: int, found: Iterable[Sample]) -> None:
        time = _written(moment(instant))
        for metric, labels, value in found:
            figure = {"time": time, "metric": metric, "labels": labels, "value": value}
            self._element(msgspec.json.encode(figure))

    def _element(self, element: bytes) -> None:
        self.file.write(element + b"\n")

    def finish(self) -> None:
        pass


class _Json(_Ndjson):
    """One array, an element a line."""

    _before = b"[\n"

    def _element(self, element: bytes) -> None:
        self.file.write(self._before + element)
        self._before = b",\n"

    def finish(self) -> None:
        self.file.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")


class _Parquet(_FigureWriter):
    def __init__(self, file: BinaryIO, labels: Sequence[str]) -> None:
        super().__init__(file, labels)
        pyarrow, parquet = _pyarrow()
        types = [pyarrow.timestamp("us", tz="UTC"), *[pyarrow.string()] * (len(labels) + 1)]
        pairs = zip(self.columns, [*types, pyarrow.float64()], strict=True)
        self._schema = pyarrow.schema(list(pairs))
        self._table = pyarrow.Table.from_pylist
        self._file = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, instant: int, found: Iterable[Sample]) -> None:
        time = moment(instant)
        for metric, labels, value in found:
            named = {_RENAMED.get(name, name): label for name, label in labels.items()}
            self._rows.append({"time": time, "metric": metric, **named, "value": float(value)})
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(self._table(self._rows, schema=self._schema))
        self._rows = []

    def finish(self) -> None:
        self._flush()
        self._file.close()


_FORMATS: Final[dict[str, type[_FigureWriter]]] = {
    ".csv": _Csv,
    ".json": _Json,
    ".ndjson": _Ndjson,
    ".parquet": _Parquet,
}


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "writing Parquet needs pyarrow, which is not installed",
            hint="pip install 'funnel-stream[parquet]', or write .csv or .ndjson.",
        ) from error
    return pyarrow, parquet


def check_format(out: Path) -> None:
    """Whether a file of that name can be written. Raises ``UsageError``."""
    if out.suffix.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise UsageError(f"--out {out}: its name must end in {known}")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out} cannot be written: there is no such folder")
    if out.suffix.lower() == ".parquet":
        _pyarrow()


@contextmanager
def figure_file(out: Path, labels: Sequence[str]) -> Iterator[Add]:
    """Write figures to a file in the format that its name says."""
    with written_whole(out) as file:
        writer = _FORMATS[out.suffix.lower()](file, labels)
        yield writer.add
        writer.finish()


@contextmanager
def figure_stream(labels: Sequence[str], *, as_json: bool) -> Iterator[Add]:
    """Write figures to standard output, as CSV or JSON."""
    writer = (_Json if as_json else _Csv)(sys.stdout.buffer, labels)
    yield writer.add
    writer.finish()


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the path's place at the end, or never if anything fails.

    Raises ``UsageError`` where it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
