"""The tidy table: one row per model, world and quantity, costs being quantities like any other."""

import contextlib
import csv
import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from course_utils.arguments import ArgumentError, check_choice
from course_utils.metrics.likelihood import Estimate

MARKS = ("exact", "bound", "estimate", "absent", "failed")
"""What a cell says of itself: how far its number is to be trusted, or why there is none."""

COSTS = {
    "parameters": ("", "neither"),
    "training time": ("CPU s", "lower"),
    "sampling time": ("CPU s", "lower"),
    "network calls": ("", "lower"),
    "evaluations per sample": ("", "lower"),
    "peak memory": ("MiB", "lower"),
}
"""Costs with unit and better end. Seconds are the processor's, ``wall s`` on a GPU;
training contains building the model, sampling is that of all samples; see ``costs``."""


@dataclass(frozen=True)
class Row:
    """One quantity of one model in one world.

    Attributes:
        model: Name of the contender or of the reference.
        world: Name of the world or of the data set.
        metric: Name of the metric or of the cost.
        unit: Unit of the value; empty for a pure number.
        better: ``"lower"``, ``"higher"`` or ``"neither"``.
        mark: As in ``tasks.CAPABILITIES``, ``"exact"``, ``"bound"`` (the truth is at least as
            good), ``"estimate"`` or ``"absent"``; or ``"failed"``.
        value: The number; ``None`` if absent or failed.
        standard_error: How far chance moves it, ``None`` if that is not known.
        floor: The truth's value of the same quantity: what a perfect model would show.
        reference: Whether this row is no contender.
        note: Why the value is absent or failed; else empty.
    """

    model: str
    world: str
    metric: str
    unit: str
    better: str
    mark: str
    value: float | None = None
    standard_error: float | None = None
    floor: float | None = None
    reference: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        """Write an unknown standard error as ``None``, so that equal rows are equal."""
        if self.standard_error is not None and math.isnan(self.standard_error):
            object.__setattr__(self, "standard_error", None)

    def cell(self) -> Any:
        """What a printed table shows: a number, an ``Estimate``, a text, or ``None``."""
        if self.mark == "failed":
            return "failed"
        if self.value is None:
            return None
        shown: Any = self.value
        if self.standard_error is not None:
            shown = Estimate(self.value, self.standard_error)
        elif self.value.is_integer():
            shown = int(self.value)
        if self.mark == "bound":
            number = f"{shown:.4g}" if isinstance(shown, int | float) else str(shown)
            return f"{'≥' if self.better == 'higher' else '≤'} {number}"
        return shown


class Sheet(NamedTuple):
    """A header and rows, as ``plotting.table(*sheet)`` takes them."""

    header: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class ComparisonTable:
    """The answers of a comparison.

    Attributes:
        rows: One per model, world and quantity, in the order in which they were asked for.
    """

    rows: tuple[Row, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the rows' models, references first."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    @property
    def worlds(self) -> tuple[str, ...]:
        """Names of the worlds."""
        return tuple(dict.fromkeys(row.world for row in self.rows))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the quantities, costs first."""
        return tuple(dict.fromkeys(row.metric for row in self.rows))

    def row(self, model: str, world: str, metric: str) -> Row:
        """Return one row by its three names.

        Raises:
            ArgumentError: A name is not in the table.
        """
        check_choice("model", model, self.models)
        check_choice("world", world, self.worlds)
        check_choice("metric", metric, self.metrics)
        return next(r for r in self.rows if (r.model, r.world, r.metric) == (model, world, metric))

    def pivot(self, metric: str) -> Sheet:
        """Return one quantity: a row per model, a column per world.

        Args:
            metric: Name of a metric or of a cost.

        Returns:
            A dash (``None``) stands for absent, ``≤`` and ``≥`` for a bound.
        """
        check_choice("metric", metric, self.metrics)
        rows = [[m, *(self.row(m, w, metric).cell() for w in self.worlds)] for m in self.models]
        return Sheet([metric, *self.worlds], rows)

    def summary(self, world: str, metrics: Iterable[str] | None = None) -> Sheet:
        """Return one world: a row per model, a column per quantity (all of them by default)."""
        chosen = self.metrics if metrics is None else tuple(metrics)
        rows = [[m, *(self.row(m, world, q).cell() for q in chosen)] for m in self.models]
        return Sheet([check_choice("world", world, self.worlds), *chosen], rows)

    def notes(self) -> list[str]:
        """Return each reason for an absent or failed quantity of a metric, once."""
        lines = (
            f"{row.model}, {row.world}, {row.metric}: {row.mark}. {row.note}"
            for row in self.rows
            if row.note and (row.mark == "failed" or row.metric not in COSTS)
        )
        return list(dict.fromkeys(lines))

    def to_csv(self, path: str | Path) -> Path:
        """Write all rows to ``path``, whole or not at all, and return it.

        Numbers are written so that they read back bit for bit.

        Raises:
            ArgumentError: It cannot be written; what stood there before is untouched.
        """
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        names = [field.name for field in fields(Row)]
        writer.writerow(names)
        for row in self.rows:
            values = (getattr(row, name) for name in names)
            writer.writerow(["" if value is None else value for value in values])
        return _replace(Path(path), buffer.getvalue())

    @classmethod
    def from_csv(cls, path: str | Path) -> "ComparisonTable":
        """Read what ``to_csv`` wrote.

        Raises:
            ArgumentError: The file is missing, or is not such a table.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(f"path: expected a readable table, got {error}") from None
        reader = csv.DictReader(io.StringIO(text, newline=""))
        wanted = [field.name for field in fields(Row)]
        if reader.fieldnames != wanted:
            raise ArgumentError(f"path: expected columns {wanted}, got {reader.fieldnames}")
        return cls(tuple(_parsed(path, line) for line in reader))


def _parsed(path: str | Path, line: dict[str, Any]) -> Row:
    try:
        for name in ("value", "standard_error", "floor"):
            line[name] = float(line[name]) if line[name] else None
        line["reference"] = {"True": True, "False": False}[line["reference"]]
        check_choice("mark", line["mark"], MARKS)
        return Row(**line)
    except (KeyError, TypeError, ValueError):
        raise ArgumentError(f"path: expected rows of a comparison, got {line}") from None


def _replace(path: Path, text: str) -> Path:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return partial.replace(path)
    except OSError as error:
        raise ArgumentError(
            f"path: expected a file that can be written, got '{path}': {error.strerror}"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
