"""The benchmark's arithmetic, on a clock that the programs themselves move."""

import math

import numpy as np
import pytest
import torch
from benchmarks import __main__ as command
from benchmarks import race as races
from benchmarks.race import Work, absolute_difference, race, relative_difference


class Clock:
    """Stands in for the processor clock; a program advances it by what it 'costs'."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, []

    def process_time(self) -> float:
        return self.now

    def program(self, name, costs, answer):
        costs = iter(costs)

        def run():
            self.calls.append(name)
            self.now += next(costs)
            return answer

        return run


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(races, "time", clock)
    return clock


def work(ours, theirs, **options) -> Work:
    return Work("w", "says", "numpy", lambda: (ours, theirs), **options)


def test_ratios_are_peer_over_ours_pair_by_pair(clock):
    ours = clock.program("ours", [9, 1, 2, 4], torch.tensor([1.0]))
    theirs = clock.program("theirs", [9, 2, 6, 16], np.array([1.5]))
    result = race(work(ours, theirs), 3)
    assert result.ratios == (2.0, 3.0, 4.0)
    assert result.quartiles() == (2.5, 3.0, 3.5)
    assert (result.ours, result.theirs) == (2.0, 6.0)
    assert result.difference == pytest.approx(1 / 3)


def test_programs_take_turns_to_begin_after_one_warm_up_each(clock):
    ours = clock.program("ours", [1] * 5, 0.0)
    theirs = clock.program("theirs", [1] * 5, 1.0)
    race(work(ours, theirs), 4)
    assert clock.calls == ["ours", "theirs"] + ["ours", "theirs", "theirs", "ours"] * 2


def test_short_work_is_repeated_until_the_clock_can_see_it(clock):
    ours = clock.program("ours", [0.001] * 100, 1.0)
    theirs = clock.program("theirs", [0.02] * 2, 1.0)
    result = race(work(ours, theirs), 1)
    assert result.ours == pytest.approx(0.001)
    assert result.ratios == pytest.approx((20.0,))


def test_differences_are_taken_in_double_precision():
    close = 1.0 + 1e-12
    assert absolute_difference(close, 1.0) == pytest.approx(1e-12, rel=1e-3)
    assert relative_difference([2.0, 100.0], np.array([1.0, 200.0])) == 0.5
    assert math.isnan(relative_difference(float("nan"), 1.0))


def test_list_names_every_work_once(capsys):
    assert command.main(["--list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [w.name for w in command.WORK] and len(set(names)) == len(names)


def test_unknown_work_is_one_line(capsys):
    assert command.main(["flow-of-time"]) == 2
    assert capsys.readouterr().err.endswith("got 'flow-of-time'\n")


def test_missing_peer_is_said_and_the_rest_goes_on(monkeypatch, capsys, tmp_path):
    absent = Work("absent", "says", "no_such_library", lambda: (None, None))
    present = Work("present", "says", "numpy", lambda: (lambda: 1.0, lambda: 1.0))
    monkeypatch.setattr(command, "WORK", (absent, present))
    monkeypatch.setattr(races, "_seconds", lambda program: 0.5)
    assert command.main(["--pairs", "1", "--csv", str(tmp_path / "b.csv")]) == 0
    said = capsys.readouterr().out
    assert "absent: left out, no_such_library is not installed" in said
    header, row = (tmp_path / "b.csv").read_text().splitlines()
    assert header.startswith("work,peer,ours ms") and row.startswith("present,numpy")
