"""The tidy table: CSV there and back, what is printed, wrong files."""

import math
from dataclasses import fields, replace

import pytest

from course_utils.arguments import ArgumentError
from course_utils.comparison.table import ComparisonTable, Row
from course_utils.metrics.likelihood import Estimate

EXACT = Row("a", "w", "nll", "nats", "lower", "exact", 0.1 + 0.2, 1e-17, floor=1 / 3)
ROWS = (
    EXACT,
    Row('b, "c"', "w", "nll", "nats", "lower", "bound", 2.5, 0.1, reference=True),
    Row("a", "v", "nll", "nats", "lower", "absent", note="has no density.\nSee week 12."),
    Row('b, "c"', "v", "nll", "nats", "lower", "failed", note="ValueError: no, 'x'"),
    Row("a", "w", "parameters", "", "neither", "exact", 12.0),
    Row('b, "c"', "w", "parameters", "", "neither", "exact", math.inf),
    Row("a", "v", "parameters", "", "neither", "estimate", -0.0, math.nan),
    Row('b, "c"', "v", "parameters", "", "higher", "bound", 3.0),
)


def test_csv_reads_back_bit_for_bit(tmp_path) -> None:
    table = ComparisonTable(ROWS)
    path = table.to_csv(tmp_path / "table.csv")
    assert ComparisonTable.from_csv(path) == table
    assert list(tmp_path.iterdir()) == [path]
    header = path.read_text().splitlines()[0]
    assert header.split(",") == [field.name for field in fields(Row)]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = ComparisonTable(ROWS).to_csv(tmp_path / "table.csv")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ArgumentError) as caught:
        ComparisonTable(ROWS[:1]).to_csv(path)
    assert str(caught.value) == (
        f"path: expected a file that can be written, got '{path}': No space left on device"
    )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_pivot_and_summary() -> None:
    table = ComparisonTable(ROWS)
    assert table.pivot("nll") == (
        ["nll", "w", "v"],
        [["a", Estimate(0.1 + 0.2, 1e-17), None], ['b, "c"', "≤ 2.50 ± 0.10", "failed"]],
    )
    assert table.pivot("parameters").rows == [["a", 12, 0], ['b, "c"', math.inf, "≥ 3"]]
    assert table.summary("v", ["parameters"]) == (
        ["v", "parameters"],
        [["a", 0], ['b, "c"', "≥ 3"]],
    )
    assert table.summary("w").header == ["w", "nll", "parameters"]
    assert table.row("a", "w", "nll") is ROWS[0]
    assert table.notes() == [
        "a, v, nll: absent. has no density.\nSee week 12.",
        "b, \"c\", v, nll: failed. ValueError: no, 'x'",
    ]


def test_unknown_standard_error_is_none() -> None:
    assert ROWS[6].standard_error is None
    assert ROWS[6] == replace(ROWS[6])


def test_wrong_files_and_names(tmp_path, as_user) -> None:
    table = ComparisonTable(ROWS[:1])
    missing, other, bent = (tmp_path / name for name in ("none.csv", "other.csv", "bent.csv"))
    other.write_text("x,y\n1,2\n")
    lines = table.to_csv(bent).read_text().replace("exact", "certain")
    bent.write_text(lines)
    wanted = [field.name for field in fields(Row)]
    for call, start in (
        (lambda: ComparisonTable.from_csv(missing), "path: expected a readable table, got "),
        (
            lambda: ComparisonTable.from_csv(other),
            f"path: expected columns {wanted}, got ['x', 'y']",
        ),
        (lambda: ComparisonTable.from_csv(bent), "path: expected rows of a comparison, got "),
        (lambda: table.pivot("speed"), "metric: expected one of 'nll', got 'speed'"),
        (lambda: table.row("z", "w", "nll"), "model: expected one of 'a', got 'z'"),
        (lambda: table.summary("z"), "world: expected one of 'w', got 'z'"),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert str(caught.value).startswith(start)
        assert len(str(caught.value).splitlines()) == 1
