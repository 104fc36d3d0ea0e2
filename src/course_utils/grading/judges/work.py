"""How the cost of a function grows when its input does.

A function of this process is *counted*: the multiplications and element-wise results of its tensor
operations, the same number every time. One that runs in another process cannot be counted from
here, and could lie if it counted itself; it is *timed*, by the processor seconds that its process
used as seen from outside. Times are noisy and at small sizes tell only of overhead, so sizes grow
until a call takes long enough, what comes back is compared with the truth at every size, and a
verdict against the student is reached only by times that were taken again.
"""

import functools
import time
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from course_utils.grading import answers

_Inputs = dict[str, Tensor]

_NOTICEABLE, _LONG, _AGAIN = 0.1, 0.5, 4
"""Seconds below which a time says nothing, since it is counted in hundredths; seconds above which
larger sizes are not tried; and how often a growth that is too large is measured again."""


def runs_here(function: Any) -> bool:
    """Whether the operations of a function take place in this process and can be counted."""
    if isinstance(function, functools.partial):
        return runs_here(function.func)
    return isinstance(function, FunctionType | MethodType)


# Counting


class _Meter(TorchDispatchMode):
    """Counts multiplications of matrix products and elements of everything else but views."""

    def __init__(self) -> None:
        super().__init__()
        self.work = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not _is_view(func):
            self.work += _elements(func, args, result)
        return result


def _is_view(func: Any) -> bool:
    outputs = func._schema.returns
    return any(o.alias_info is not None and not o.alias_info.is_write for o in outputs)


_PRODUCTS = {"mm": 0, "mv": 0, "bmm": 0, "addmm": 1, "addmv": 1, "baddbmm": 1}
"""Matrix products by name, with the argument whose last axis is summed over."""


def _elements(func: Any, args: tuple, result: Any) -> int:
    name = func.overloadpacket.__name__
    if name in _PRODUCTS:
        return result.numel() * args[_PRODUCTS[name]].shape[-1]
    tensors = [t for t in tree_leaves((args, result)) if isinstance(t, Tensor)]
    return max((t.numel() for t in tensors), default=0)


def work_of(function: Callable[..., Any], args: _Inputs) -> int:
    """Elements and multiplications of one call, an estimate of its cost that is the same twice."""
    copies = answers.copied(list(args.values()))
    with _Meter() as meter, torch.no_grad():
        function(*copies)
    return meter.work


# Timing


def seconds_of(
    function: Callable[..., Any], args: _Inputs, judge: Callable[[Any, _Inputs], None]
) -> float:
    """Processor seconds of one call, or seconds on the clock if nobody measured those.

    Args:
        function: Something to call. If it has a number ``cpu_seconds``, that is the measurement.
        args: Its inputs.
        judge: Called with the result and the inputs; raises if the result is wrong.
    """
    copies = answers.copied(list(args.values()))
    begun = time.perf_counter()
    result = function(*copies)
    elapsed = time.perf_counter() - begun
    measured = getattr(function, "cpu_seconds", None)
    judge(result, args)
    return measured if isinstance(measured, float) else elapsed


def growth_of_seconds(
    function: Callable[..., Any],
    pairs: Iterable[tuple[_Inputs, _Inputs]],
    judge: Callable[[Any, _Inputs], None],
    *,
    times: int,
    limit: float,
) -> float:
    """By what factor a call on a large input takes longer than as much work on small ones.

    Args:
        function: As in ``seconds_of``.
        pairs: Inputs and inputs ``times`` as large, in order of size.
        judge: As in ``seconds_of``.
        times: How much larger the second of a pair is. The first is worked on that often, so that
            both take the same time where work grows as the input does, and a coarse clock or a
            fixed cost disturbs both alike.
        limit: A larger factor is measured again before it is believed. A busy machine makes a call
            longer and never shorter, so the shortest times count.

    Returns:
        The factor for the first pair that takes more than the limit, else for the last one tried:
        1 for linear work, ``times`` for quadratic work.
    """

    def measure(pair: tuple[_Inputs, _Inputs]) -> tuple[float, float]:
        small, large = pair
        several = sum(seconds_of(function, small, judge) for _ in range(times))
        return several, seconds_of(function, large, judge)

    growth = 0.0
    for pair in pairs:
        several, large = measure(pair)
        growth = large / max(several, 1e-9)
        if growth > limit and large > limit * _NOTICEABLE:
            for _ in range(_AGAIN):
                again = measure(pair)
                several, large = min(several, again[0]), min(large, again[1])
            growth = large / max(several, 1e-9)
            if growth > limit:
                return growth
        if large > _LONG:
            break
    return growth
