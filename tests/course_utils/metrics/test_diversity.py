"""Shares of different n-grams, counted by hand."""

import math

import pytest

from course_utils.arguments import ArgumentError
from course_utils.metrics.diversity import distinct_n, repetition_n


def test_distinct_counts_over_all_sequences_together():
    words = [["a", "b", "a", "b"], ["a", "b", "c"]]
    assert distinct_n(words, 1) == pytest.approx(3 / 7)
    assert distinct_n(words, 2) == pytest.approx(3 / 5)  # ab ba ab | ab bc
    assert distinct_n(["aab", "x"], 2) == 1.0


def test_repetition_counts_within_each():
    result = repetition_n(["abababab", "abcdefgh"], 2)
    first, second = 1 - 2 / 7, 0.0
    assert result.value == pytest.approx((first + second) / 2)
    assert result.standard_error == pytest.approx(abs(first - second) / 2)
    assert math.isnan(repetition_n(["abc"], 1).standard_error)


@pytest.mark.parametrize("circle", [1, 3, 5])
def test_a_circle_repeats_all_but_one_round(circle):
    text = "abcde"[:circle] * 40
    assert repetition_n([text], 4).value == pytest.approx(1 - circle / (len(text) - 3))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^sequences: expected one of at least 3 symbols"):
        distinct_n(["ab"], 3)
    with pytest.raises(ArgumentError, match=r"^sequences\[1\]: expected at least 3 symbols"):
        repetition_n(["abc", "ab"], 3)
    with pytest.raises(ArgumentError, match=r"^sequences: expected at least one, got none$"):
        repetition_n([], 3)
    with pytest.raises(ArgumentError, match=r"^n: expected a whole number >= 1, got 0$"):
        distinct_n(["ab"], 0)
