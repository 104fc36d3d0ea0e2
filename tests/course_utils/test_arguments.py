"""Every wrong argument gives one line that names it, what was expected and what came."""

import pytest
import torch

from course_utils.arguments import (
    ArgumentError,
    check_choice,
    check_int,
    check_number,
    check_tensor,
)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([1.0], {}, "x: expected a tensor, got list"),
        (
            torch.ones(2, 3),
            {"shape": ("batch", 4)},
            "x: expected shape (batch, 4), got shape (2, 3)",
        ),
        (torch.ones(3), {"shape": ("batch", 3)}, "x: expected shape (batch, 3), got shape (3,)"),
        (torch.ones(2), {"dtype": "integer"}, "x: expected dtype integer, got dtype torch.float32"),
        (
            torch.ones(2, dtype=torch.bool),
            {"dtype": "integer"},
            "x: expected dtype integer, got dtype torch.bool",
        ),
        (
            torch.ones(2).long(),
            {"dtype": "float"},
            "x: expected dtype float, got dtype torch.int64",
        ),
        (
            torch.ones(0, 3),
            {},
            "x: expected at least one element, got an empty tensor of shape (0, 3)",
        ),
        (
            torch.tensor([1.0, float("nan")]),
            {},
            "x: expected finite values, got 1 NaN or infinite of 2",
        ),
        (torch.tensor([0, 17]), {"high": 16}, "x: expected values <= 16, got a value of 17"),
        (torch.tensor([-1, 3]), {"low": 0}, "x: expected values >= 0, got a value of -1"),
        (
            torch.ones(2),
            {"device": torch.device("meta")},
            "x: expected device meta, got device cpu",
        ),
    ],
)
def test_wrong_tensor_is_named_in_one_line(x, options, message):
    with pytest.raises(ArgumentError) as caught:
        check_tensor("x", x, **options)
    assert str(caught.value) == message


def test_right_tensors_pass_through_unchanged():
    x = torch.arange(6).reshape(2, 3)
    assert check_tensor("x", x, shape=("batch", 3), dtype="integer", low=0, high=5) is x
    assert check_tensor("x", x, shape=("...", 3)) is x
    assert check_tensor("x", x, shape=("...", "batch", 3), dtype=torch.int64) is x


def test_leading_ellipsis_still_checks_the_last_axes():
    with pytest.raises(ArgumentError, match=r"expected shape \(\.\.\., 4\), got shape \(2, 3\)"):
        check_tensor("x", torch.ones(2, 3), shape=("...", 4))


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (-1.0, {"low": 0}, "temperature: expected a number >= 0, got -1.0"),
        (0.0, {"low": 0, "open_low": True}, "temperature: expected a number > 0, got 0.0"),
        (1, {"high": 1, "open_high": True}, "temperature: expected a number < 1, got 1"),
        (float("nan"), {}, "temperature: expected a number, got nan"),
        ("hot", {"low": 0, "high": 2}, "temperature: expected a number >= 0 and <= 2, got 'hot'"),
        (True, {}, "temperature: expected a number, got True"),
    ],
)
def test_wrong_number_is_named_in_one_line(value, options, message):
    with pytest.raises(ArgumentError) as caught:
        check_number("temperature", value, **options)
    assert str(caught.value) == message


def test_whole_numbers_and_choices():
    assert check_int("n", 3, low=1, high=3) == 3
    assert check_choice("profile", "cpu", ("cpu", "gpu")) == "cpu"
    with pytest.raises(ArgumentError, match=r"^n: expected a whole number >= 1, got 0$"):
        check_int("n", 0, low=1)
    with pytest.raises(ArgumentError, match=r"^n: expected a whole number, got 2.0$"):
        check_int("n", 2.0)
    with pytest.raises(ArgumentError, match=r"^profile: expected one of 'cpu', 'gpu', got 'tpu'$"):
        check_choice("profile", "tpu", ("cpu", "gpu"))
