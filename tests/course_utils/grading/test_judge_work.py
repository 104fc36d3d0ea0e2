"""The cost of an answer: counted where it runs here, timed where it runs elsewhere."""

import inspect
import time

import pytest
import torch
from test_judge_nade import by_cumulative_sum, recursion
from torch.nn.functional import logsigmoid

from course_utils.grading import find_question
from course_utils.grading.judges import nade
from course_utils.grading.judges.work import growth_of_seconds, seconds_of, work_of


def anew_for_each(x, W, V, b, c):
    total = 0.0
    for i in range(x.shape[1]):
        logit = b[i] + (c + x[:, :i] @ W[:, :i].T).sigmoid() @ V[i]
        total = total + logsigmoid(torch.where(x[:, i] > 0, logit, -logit))
    return total


def test_work_counts_multiplications_and_no_views():
    a = torch.ones(3, 5)
    assert work_of(lambda a, b: a @ b, {"a": a, "b": torch.ones(5, 7)}) == 3 * 5 * 7
    assert work_of(lambda a: a[:, 1:].T, {"a": a}) == 0
    assert work_of(lambda a: a + 1, {"a": a}) == 15


def only_small(x, W, V, b, c):
    value = recursion(x, W, V, b, c)
    return value if x.shape[1] < 200 else value[:1].expand(len(x))


class Elsewhere:
    """Stands for a function of another process, whose seconds are proportional to its work."""

    def __init__(self, function):
        self._function = function
        self.__name__ = "nade_log_prob"
        self.__signature__ = inspect.signature(function)
        self.cpu_seconds = 0.0

    def __call__(self, *args):
        self.cpu_seconds = 1e-8 * work_of(self._function, {str(i): a for i, a in enumerate(args)})
        return self._function(*args)


@pytest.mark.parametrize("road", [recursion, by_cumulative_sum])
def test_a_linear_road_elsewhere_passes(road):
    assert find_question("w01-nade").assess(Elsewhere(road), 3).fraction == 1


def test_a_quadratic_road_elsewhere_loses_the_share_of_the_work(fails):
    verdict = fails("w01-nade", Elsewhere(anew_for_each), "quadratic", "times the work", 3)
    assert verdict.fraction == pytest.approx(0.7)


def test_a_right_value_for_few_variables_only_is_found_out_elsewhere(fails):
    fails("w01-nade", Elsewhere(only_small), "other", "wrong for 512:")


class Unmeasured:
    """Nobody measured processor time: a method of that name is no measurement."""

    def __call__(self):
        time.sleep(0.01)

    def cpu_seconds(self):
        raise AssertionError


def test_without_a_measurement_the_clock_serves():
    assert 0.01 <= seconds_of(Unmeasured(), {}, lambda value, args: None) < 10


class Clock:
    """Times that were agreed on beforehand."""

    def __init__(self, seconds):
        self.seconds = iter(seconds)

    def __call__(self):
        self.cpu_seconds = next(self.seconds)


@pytest.mark.parametrize(
    ("seconds", "growth"),
    [
        ([0.001, 0.001, 0.019, 0.2, 0.2, 0.4], 1),  # too short to tell; then linear
        ([0.1, 0.1, 0.8] * 5, 4),  # quadratic, five times over
        ([0.1, 0.1, 0.8, 0.4, 0.4, 0.8] + [0.1, 0.1, 0.8] * 3, 4),  # small calls disturbed once
        (
            [
                *(0.1, 0.1, 0.8, 0.1, 0.1, 1.2, 0.2, 0.2, 0.5, 0.1, 0.1, 0.2, 0.2, 0.1, 0.9),
                *(0.2, 0.2, 0.4),
            ],
            1,
        ),  # disturbed, then linear
        ([0.02, 0.02, 0.2, 0.1, 0.1, 0.2], 1),  # too short to tell on a clock of hundredths
        ([0.3, 0.3, 0.6], 1),  # long enough: nothing larger is tried
    ],
)
def test_a_growth_is_believed_when_measured_again(seconds, growth):
    pairs = [({}, {})] * 2
    clock = Clock(seconds)
    found = growth_of_seconds(clock, pairs, lambda value, args: None, times=2, limit=3)
    assert found == pytest.approx(growth)
    assert next(clock.seconds, None) is None or growth == 4


@pytest.mark.parametrize("road", [recursion, by_cumulative_sum, anew_for_each])
def test_the_limit_lies_between_linear_and_quadratic_work(road):
    """Counted in place of timed, so that the numbers are the same on every machine."""
    pairs = nade._pairs()
    growth = growth_of_seconds(Elsewhere(road), pairs, nade._check_large, times=8, limit=1e9)
    quadratic = road is anew_for_each
    assert (4 < growth < 8) if quadratic else (0.9 < growth < 1.1)
