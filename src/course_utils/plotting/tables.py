"""Small tables of numbers, shown with the digits that carry meaning and no others."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from course_utils.arguments import ArgumentError, check_int

_NOTHING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Table:
    """A small table that a notebook shows as HTML and a terminal as text.

    Attributes:
        header: One title per column.
        rows: The cells, already formatted; the first one names its row.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _repr_html_(self) -> str:
        left = self._words()
        head = "".join(
            _element("th", title, at_left, scope="col") if title else "<td></td>"
            for title, at_left in zip(self.header, left, strict=True)
        )
        body = "".join(
            "<tr>"
            + _element("th", name, True, scope="row")
            + "".join(_element("td", *cell) for cell in zip(cells, left[1:], strict=True))
            + "</tr>"
            for name, *cells in self.rows
        )
        return (
            '<table class="course-table"><thead><tr>'
            f"{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def __repr__(self) -> str:
        lines = (self.header, *self.rows)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            " | ".join(
                cell.ljust(width) if at_left else cell.rjust(width)
                for cell, width, at_left in zip(line, widths, self._words(), strict=True)
            ).rstrip()
            for line in lines
        )

    def _words(self) -> list[bool]:
        """For each column whether it holds words, which begin at one edge, and no numbers."""
        columns = [
            [row[i] for row in self.rows if row[i] != _NOTHING] for i in range(len(self.header))
        ]
        words = [bool(cells) and all(cell[:1].isalpha() for cell in cells) for cells in columns]
        return [True, *words[1:]]


def _element(tag: str, text: str, at_left: bool, scope: str = "") -> str:
    """A cell; ``scope`` is what a heading is the heading of."""
    attributes = f' scope="{scope}"' if scope else ""
    if at_left:
        attributes += ' style="text-align: left"'
    return f"<{tag}{attributes}>{html.escape(text)}</{tag}>"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, digits: int = 4) -> Table:
    """Make a table whose numbers have a fixed number of significant digits.

    Columns of numbers end at one edge, columns of words begin at one.

    Args:
        header: One title per column.
        rows: One sequence per row. A cell is a text, a whole number (shown as it is), a number,
            ``None`` (shown as a dash), or anything with ``value`` and ``standard_error``.
        digits: Significant digits of the numbers.

    Returns:
        The table; make it the last expression of a cell.

    Raises:
        ArgumentError: A row with another number of cells than the header.
    """
    check_int("digits", digits, low=1)
    cells = []
    for row in rows:
        if len(row) != len(header):
            raise ArgumentError(f"rows: expected {len(header)} cells in each, got {tuple(row)}")
        cells.append(tuple(_cell(cell, digits) for cell in row))
    return Table(tuple(header), tuple(cells))


def gap_table(rows: Iterable[Sequence[Any]], *, digits: int = 4) -> Table:
    """Compare a model with the truth: ``quantity | model | truth | gap``, gap = model - truth.

    Args:
        rows: One ``(quantity, model, truth)`` per row; the quantity's name carries the unit.
            Model and truth are numbers, one-element tensors, or anything with ``value`` and
            ``standard_error``.
        digits: Significant digits of model and truth. The gap has two; one that is smaller than
            1e-12 of the truth (or of 1) is rounding and is shown as ``< 10⁻¹²``.

    Returns:
        The table; make it the last expression of a cell.
    """
    check_int("digits", digits, low=1)
    lines = []
    for quantity, model, truth in rows:
        parts = [_value_and_error(side) for side in (model, truth)]
        gap = parts[0][0] - parts[1][0]
        error = math.hypot(*(part[1] for part in parts))
        shown = _signed(gap, scale=max(1.0, abs(parts[1][0])))
        if error > 0:
            shown += f" ± {_significant(error, 2)}"
        lines.append((quantity, _cell(model, digits), _cell(truth, digits), shown))
    return table(("quantity", "model", "truth", "gap"), lines)


def _value_and_error(cell: Any) -> tuple[float, float]:
    if hasattr(cell, "standard_error"):
        return float(cell.value), float(cell.standard_error)
    return float(cell), 0.0


def _cell(cell: Any, digits: int) -> str:
    if cell is None:
        return _NOTHING
    if isinstance(cell, str | int):
        return str(cell)
    value, error = _value_and_error(cell)
    shown = _significant(value, digits)
    return f"{shown} ± {_significant(error, 2)}" if error > 0 else shown


def _decimal_places(value: float, digits: int) -> int:
    if value == 0 or not math.isfinite(value):
        return digits
    return digits - 1 - math.floor(math.log10(abs(value)))


def _significant(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return _minus(f"{value:.{max(0, _decimal_places(value, digits))}f}")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return _minus(f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}")


def _signed(gap: float, scale: float) -> str:
    if abs(gap) < 1e-12 * scale:
        return "< 10⁻¹²"
    return ("+" if gap > 0 else "") + _significant(gap, 2)


def _minus(number: str) -> str:
    return number.replace("-", "−")
