r"""Judge of ``nade_log_prob(x, W, V, b, c)``: right for every binary vector, and in O(dH) work.

    h_i = \sigma(c + W_{:, <i} x_{<i}),    p(x_i = 1 | x_{<i}) = \sigma(b_i + V_i h_i)

The truth evaluates this as it stands, anew for each i, in double loops. The work of an answer is
counted, not timed: the multiplications and element-wise results of every tensor operation.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_LN2 = math.log(2.0)


def draw(seed: int) -> list[Instance]:
    """All binary vectors; two sizes whose work is compared; weights that saturate."""
    generator = torch.Generator().manual_seed(seed + 404)
    small = _weights(6, 4, generator)
    small["x"] = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6))).double()
    # Weights of this size drive the logits past the range of single precision's sigmoid.
    large = {key: (60 * value).float() for key, value in _weights(6, 4, generator).items()}
    large["x"] = small["x"].float()
    return [
        Instance("every vector", small, 0.5),
        Instance("work", _weights(64, 16, generator), 0.3),
        Instance("large weights in single precision", large, 0.2),
    ]


def _weights(d: int, hidden: int, generator: torch.Generator) -> dict[str, Tensor]:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = (normal(4, d) > 0).double()
    return {
        "x": x,
        "W": normal(hidden, d),
        "V": normal(d, hidden),
        "b": normal(d),
        "c": normal(hidden),
    }


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare values; for the work instance compare how work grows when d doubles."""
    args = instance.args
    name, x = answers.name_of(answer), args["x"]
    value = answers.call(answer, args)
    hint = "One log-probability per vector is asked for: is there a sum or mean over the batch?"
    value = answers.expect_floats(f"{name}(...)", value, (len(x),), hint)
    hint = "Logs of 0: use logsigmoid of the logit, and of minus the logit, never log(sigmoid)."
    stressed = instance.name.startswith("large")
    if stressed:
        answers.expect_finite(f"{name}(...)", value, hint, "overflow")
    answers.expect_finite(f"{name}(...)", value)
    terms = _terms(args)
    total = value.exp().sum().item()
    opening = "the log-probabilities are wrong"
    if instance.name == "every vector" and abs(total - 1) > 1e-6:
        opening = f"the probabilities of all {len(x)} vectors sum to {total:.4g}, not 1"
    otherwise = f"{opening}: write h_i and p(x_i = 1) for i = 0, 1 and 2 on paper and compare."
    if stressed:
        otherwise = (
            "right for moderate weights, wrong for large ones: is a small number added inside a "
            "logarithm? Use logsigmoid of the logit, and of minus the logit."
        )
    tolerance = 1e-4 if stressed else 1e-6
    suspects = () if instance.name == "work" else _suspects(opening, args)
    line_up(value, terms.sum(1), suspects, tolerance=tolerance, otherwise=otherwise)
    if instance.name == "work":
        _check_work(answer, args)
    return right("the value is right for every vector, and the work grows as d H.")


def _terms(
    args: dict[str, Tensor],
    *,
    unit: Callable[[float], float] | None = None,
    shift: int = 0,
    late: bool = False,
) -> Tensor:
    """log p(x_i | x_<i) for each vector and i, by the definition.

    Args:
        args: x and the weights.
        unit: Replaces the hidden sigmoid.
        shift: How many more variables h_i sees than it should.
        late: Whether h_i sees the variables after i in place of those before it.
    """
    unit = unit or _sigmoid
    W, V, b, c = (args[key].tolist() for key in "WVbc")
    rows = []
    for x in args["x"].tolist():
        row = []
        for i, value in enumerate(x):
            seen = range(i + 1, len(x)) if late else range(max(0, i + shift))
            hidden = [unit(c[k] + sum(W[k][j] * x[j] for j in seen)) for k in range(len(c))]
            logit = b[i] + sum(v * h for v, h in zip(V[i], hidden, strict=True))
            row.append(-_softplus(-logit if value else logit))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _sigmoid(value: float) -> float:
    return math.exp(-_softplus(-value))


def _suspects(opening: str, args: dict[str, Tensor]) -> Iterator[Suspect]:
    terms = _terms(args)
    ones = (terms * args["x"]).sum(1)
    flipped = torch.log(-torch.expm1(terms))
    yield Suspect("sign", "right magnitude, wrong sign: log-probabilities are <= 0.", -terms.sum(1))
    yield Suspect("mean", f"{opening}: a mean over i where a sum belongs?", terms.mean(1))
    yield Suspect("bits", f"{opening}: logarithms to base 2? Nats asked.", terms.sum(1) / _LN2)
    yield Suspect(
        "no-log", "these are probabilities; their logarithm is asked.", terms.sum(1).exp()
    )
    yield Suspect("zeros-lost", f"{opening}: the terms with x_i = 0 are missing.", ones)
    yield Suspect("flipped", f"{opening}: p(x_i = 1) is used where x_i is 0.", flipped.sum(1))
    yield Suspect("first-factor", f"{opening}: is the first factor missing?", terms[:, 1:].sum(1))
    yield Suspect(
        "sees-itself",
        f"{opening}: h_i already contains x_i. Use it first, then add the column of x_i.",
        _terms(args, shift=1).sum(1),
    )
    yield Suspect(
        "off-by-one",
        f"{opening}: h_i misses the variable directly before i.",
        _terms(args, shift=-1).sum(1),
    )
    yield Suspect(
        "later-variables",
        f"{opening}: h_i looks at the variables after i.",
        _terms(args, late=True).sum(1),
    )
    yield Suspect("no-hidden-bias", f"{opening}: is c missing in h_i?", _without(args, "c").sum(1))
    yield Suspect("no-bias", f"{opening}: is b_i missing in the logit?", _without(args, "b").sum(1))
    yield Suspect(
        "no-sigmoid",
        f"{opening}: the sigmoid of the hidden units is missing.",
        _terms(args, unit=lambda value: value).sum(1),
    )
    yield Suspect(
        "tanh",
        f"{opening}: the hidden units are sigmoids, not tanh.",
        _terms(args, unit=math.tanh).sum(1),
    )


def _without(args: dict[str, Tensor], key: str) -> Tensor:
    return _terms({**args, key: torch.zeros_like(args[key])})


# Work


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


def work_of(function: Callable[..., Any], args: dict[str, Tensor]) -> int:
    """Elements and multiplications of one call, an estimate of its cost that is the same twice."""
    copies = [value.clone() for value in args.values()]
    with _Meter() as meter, torch.no_grad():
        function(*copies)
    return meter.work


def _check_work(answer: Callable[..., Any], args: dict[str, Tensor]) -> None:
    half = len(args["b"]) // 2
    cut = {"x": args["x"][:, :half], "W": args["W"][:, :half], "V": args["V"][:half]}
    growth = work_of(answer, args) / max(work_of(answer, {**args, **cut, "b": args["b"][:half]}), 1)
    if growth > 3:
        raise Mistake(
            "quadratic",
            f"right, but twice as many variables cost {growth:.1f} times the work: carry "
            "c + W x_<i along from one i to the next instead of computing it anew.",
        )
