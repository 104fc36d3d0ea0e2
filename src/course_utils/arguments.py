"""Arguments are checked once, at the boundary, and a wrong one gives a single clear line.

Every message has the same three parts: which argument, what was expected, what came, as in

    temperature: expected a number > 0, got -1.0

Public functions call these helpers first; what lies behind them may trust its inputs.
"""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

_KINDS = ("float", "integer")


class ArgumentError(ValueError):
    """A public function was called with an argument it cannot use."""


def _fail(name: str, expected: str, got: str) -> None:
    raise ArgumentError(f"{name}: expected {expected}, got {got}")


def check_tensor(
    name: str,
    x: Any,
    *,
    shape: tuple[int | str, ...] | None = None,
    dtype: str | torch.dtype | None = None,
    device: torch.device | None = None,
    finite: bool = True,
    low: float | None = None,
    high: float | None = None,
) -> Tensor:
    """Return ``x`` if it is a non-empty tensor of the wanted shape, kind, device and range.

    Args:
        name: The argument's name as the caller wrote it.
        x: The value that came.
        shape: One entry per axis; an ``int`` must match, a ``str`` names an axis of any size,
            and a leading ``"..."`` stands for any number of axes.
        dtype: ``"float"``, ``"integer"``, an exact ``torch.dtype``, or ``None`` for any.
        device: The device the tensor has to be on, or ``None`` for any.
        finite: Refuse NaN and infinities in floating tensors.
        low: Smallest value allowed.
        high: Largest value allowed.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    if not isinstance(x, Tensor):
        _fail(name, "a tensor", type(x).__name__)
    if shape is not None and not _shape_fits(tuple(x.shape), shape):
        _fail(name, f"shape ({', '.join(map(str, shape))})", f"shape {tuple(x.shape)}")
    if x.numel() == 0:
        _fail(name, "at least one element", f"an empty tensor of shape {tuple(x.shape)}")
    _check_dtype(name, x, dtype)
    if device is not None and x.device != device:
        _fail(name, f"device {device}", f"device {x.device}")
    if finite and x.is_floating_point() and not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        _fail(name, "finite values", f"{bad} NaN or infinite of {x.numel()}")
    _check_range(name, x, low, high)
    return x


def _shape_fits(actual: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    if wanted and wanted[0] == "...":
        wanted = wanted[1:]
        actual = actual[len(actual) - len(wanted) :] if len(actual) >= len(wanted) else ()
    return len(actual) == len(wanted) and all(
        isinstance(w, str) or w == a for a, w in zip(actual, wanted, strict=True)
    )


def _check_dtype(name: str, x: Tensor, dtype: str | torch.dtype | None) -> None:
    if dtype is None:
        return
    if isinstance(dtype, torch.dtype):
        good = x.dtype == dtype
    else:
        check_choice("dtype", dtype, _KINDS)
        whole = not x.is_floating_point() and not x.is_complex() and x.dtype != torch.bool
        good = x.is_floating_point() if dtype == "float" else whole
    if not good:
        _fail(name, f"dtype {dtype}", f"dtype {x.dtype}")


def _check_range(name: str, x: Tensor, low: float | None, high: float | None) -> None:
    if low is not None and bool((x < low).any()):
        _fail(name, f"values >= {low}", f"a value of {x.min().item()}")
    if high is not None and bool((x > high).any()):
        _fail(name, f"values <= {high}", f"a value of {x.max().item()}")


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a float if it is a finite number within the stated interval.

    Args:
        name: The argument's name.
        value: The value that came.
        low: Lower end of the interval, or ``None``.
        high: Upper end of the interval, or ``None``.
        open_low: Whether ``low`` itself is excluded.
        open_high: Whether ``high`` itself is excluded.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    expected = "a number" + _interval(low, high, open_low, open_high)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _fail(name, expected, repr(value))
    too_low = low is not None and (value < low or (open_low and value == low))
    too_high = high is not None and (value > high or (open_high and value == high))
    if too_low or too_high:
        _fail(name, expected, repr(value))
    return float(value)


def _interval(low: float | None, high: float | None, open_low: bool, open_high: bool) -> str:
    parts = []
    if low is not None:
        parts.append(f"{'>' if open_low else '>='} {low}")
    if high is not None:
        parts.append(f"{'<' if open_high else '<='} {high}")
    return " " + " and ".join(parts) if parts else ""


def check_int(name: str, value: Any, *, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` if it is a whole number in ``[low, high]``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    out_of_range = isinstance(value, int) and (
        (low is not None and value < low) or (high is not None and value > high)
    )
    if isinstance(value, bool) or not isinstance(value, int) or out_of_range:
        _fail(name, "a whole number" + _interval(low, high, False, False), repr(value))
    return value


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return ``value`` if it is one of ``choices``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    if value not in choices:
        _fail(name, f"one of {', '.join(map(repr, choices))}", repr(value))
    return value
