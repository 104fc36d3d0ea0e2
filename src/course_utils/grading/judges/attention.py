"""Judges of causal attention and of one step with a cache: explicit sums, one query at a time."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, close, line_up

# Causal attention


def draw_causal(seed: int) -> list[Instance]:
    """Moderate scores in double precision, and scores in the thousands in single precision."""
    generator = torch.Generator().manual_seed(seed + 1212)
    while True:
        q, k = (torch.randn(2, 2, 5, 4, generator=generator).double() for _ in "qk")
        v = torch.randn(2, 2, 5, 3, generator=generator).double()
        values = [_attend(q, k, v), *(s.value for s in _wrong_attention(q, k, v))]
        alone = (q[..., 0, :] * k[..., 0, :]).sum(-1).min()  # far below any finite mask once scaled
        apart = not any(close(a, b, 1e-3) for a, b in itertools.combinations(values, 2))
        if apart and alone < -0.5:
            break
    large = {"q": (40 * q).float(), "k": (40 * k).float(), "v": v.float()}
    return [
        Instance("two heads and five positions", {"q": q, "k": k, "v": v}, 0.8),
        Instance("large scores in single precision", large, 0.2),
    ]


def examine_causal(answer: Any, instance: Instance) -> Verdict:
    """Compare with a weighted mean of values for each query."""
    q, k, v = (instance.args[name] for name in "qkv")
    name = f"{answers.name_of(answer)}(q, k, v)"
    value = answers.call(answer, instance.args)
    hint = "The output has an entry for each query and as many numbers as a value has."
    value = answers.expect_floats(name, value, tuple(v.shape), hint)
    large = v.dtype == torch.float32
    _check_rows(value, large=large)
    truth = _attend(q, k, v)
    plain = "an output is not the weighted mean of the values that its query may see."
    if large:
        otherwise = plain = "right for moderate scores, wrong for large ones: is precision lost?"
    else:
        off = (value - truth).abs().amax((0, 1, 3)).gt(1e-6).nonzero()[:, 0].tolist()
        otherwise = f"{plain} Wrong at positions {', '.join(map(str, off))} of 0 to 4."
    suspects = () if large else _wrong_attention(q, k, v)
    tolerance = 2e-3 if large else 1e-6
    line_up(value, truth, suspects, tolerance=tolerance, otherwise=otherwise, plain=plain)
    return right("every output is the weighted mean of the values up to its position.")


def _check_rows(value: Tensor, *, large: bool) -> None:
    bad = ~value.isfinite()
    if not bool(bad.any()):
        return
    if large:
        text = "there are NaN values: exponentials of large scores overflow; use softmax."
        raise Mistake("overflow", text, text)
    if bool(bad[..., 0, :].all()) and not bool(bad[..., 1:, :].any()):
        text = "the first position is NaN: it sees itself, so the diagonal must not be masked."
        raise Mistake("strict", text, text)
    text = "there are NaN values: 0 times -inf is NaN; set masked scores to -inf by masked_fill."
    raise Mistake("nan", text, text)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    scale: float | None = None,
    sees: Callable[[int, int], bool] = lambda i, j: j <= i,
) -> Tensor:
    """sum_j w_ij v_j, w_ij proportional to exp(scale q_i k_j) over the j that i sees."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    out = torch.full((*q.shape[:-1], v.shape[-1]), math.nan, dtype=torch.float64)
    a, b, c = (x.double().numpy() for x in (q, k, v))
    for place in np.ndindex(*q.shape[:-1]):
        head, i = place[:-1], place[-1]
        seen = [j for j in range(k.shape[-2]) if sees(i, j)]
        if seen:
            scores = scale * np.array([a[place] @ b[(*head, j)] for j in seen])
            weights = np.exp(scores - scores.max())
            mean = sum(w * c[(*head, j)] for w, j in zip(weights, seen, strict=True))
            out[place] = torch.from_numpy(mean / weights.sum())
    return out


def _wrong_attention(q: Tensor, k: Tensor, v: Tensor) -> Iterator[Suspect]:
    size, length = q.shape[-1], q.shape[-2]
    causal = torch.ones(length, length).tril().bool()
    scores = q @ k.transpose(-1, -2) / math.sqrt(size)
    hidden = scores.masked_fill(~causal, -torch.inf)
    yield Suspect(
        "no-mask", "every query sees every position: later ones must be masked.",
        _attend(q, k, v, sees=lambda i, j: True),
    )  # fmt: skip
    yield Suspect(
        "anti-causal", "queries see the later positions instead of the earlier ones.",
        _attend(q, k, v, sees=lambda i, j: j >= i),
    )  # fmt: skip
    yield Suspect(
        "unscaled", "the scores are not divided by the root of the size of a query.",
        _attend(q, k, v, scale=1.0),
    )  # fmt: skip
    yield Suspect(
        "scale", "the scores are divided by the size of a query: its square root is wanted.",
        _attend(q, k, v, scale=1 / size),
    )  # fmt: skip
    yield Suspect(
        "scale-length", "the scores are scaled by the length: the size of a query is wanted.",
        _attend(q, k, v, scale=length**-0.5),
    )  # fmt: skip
    yield Suspect(
        "swapped", "queries and keys are exchanged.", _attend(k, q, v)
    )  # fmt: skip
    yield Suspect(
        "mask-after", "the weights are masked after the softmax and do not sum to 1 any more.",
        (scores.softmax(-1) * causal) @ v,
    )  # fmt: skip
    yield Suspect(
        "zero-score", "a masked score is 0 and still takes part: exp(0) is 1, use -inf.",
        (scores * causal).softmax(-1) @ v,
    )  # fmt: skip
    yield Suspect(
        "wrong-axis", "the softmax runs over the queries: for each query, over the keys.",
        hidden.softmax(-2).nan_to_num() @ v,
    )  # fmt: skip
    yield Suspect(
        "no-softmax", "the scores are used as weights without a softmax.", (scores * causal) @ v
    )  # fmt: skip


# One step with a cache

_CACHE = ("keys", "values")


def draw_step(seed: int) -> list[Instance]:
    """A step after five tokens, the first step, and six steps in a row."""
    generator = torch.Generator().manual_seed(seed + 1313)
    size = 4
    while True:
        x = torch.randn(2, 6, size, generator=generator).double()
        weights = [torch.randn(size, size, generator=generator).double() / 2 for _ in range(3)]
        after_five = _step_args(x, weights, 5)
        values = [_step_truth(after_five)[0], *(s.value for s in _wrong_steps(after_five))]
        if not any(close(a, b, 1e-3) for a, b in itertools.combinations(values, 2)):
            break
    return [
        Instance("after five tokens", after_five, 0.5),
        Instance("an empty cache", _step_args(x, weights, 0), 0.2),
        Instance("six steps in a row", {**_step_args(x, weights, 0), "x": x}, 0.3),
    ]


def _step_args(x: Tensor, weights: list[Tensor], t: int) -> dict[str, Tensor]:
    """Arguments of the step at position t, the cache filled with the right keys and values."""
    _, key, value = weights
    names = dict(zip(("w_query", "w_key", "w_value"), weights, strict=True))
    return {"x": x[:, t], "keys": x[:, :t] @ key, "values": x[:, :t] @ value, **names}


def examine_step(answer: Any, instance: Instance) -> Verdict:
    """Compare with attention over the whole sequence, its last row."""
    args = instance.args
    if args["x"].ndim == 2:
        _examine_one(answer, args)
        return right(
            "the output is the last row of full attention, and the cache has grown by one."
        )
    x, now = args["x"], dict(args)
    for t in range(x.shape[1]):
        now = {**now, "x": x[:, t]}
        try:
            _, now["keys"], now["values"] = _examine_one(answer, now)
        except Mistake as mistake:
            text = f"after {t} of 6 steps: {mistake.message}"
            raise Mistake(mistake.category, text, mistake.plain) from None
    return right("six steps in a row give the six rows of full attention.")


def _examine_one(answer: Any, args: dict[str, Tensor]) -> tuple[Tensor, ...]:
    name = answers.name_of(answer)
    result = answers.call(answer, args)
    if not isinstance(result, tuple | list) or len(result) != 3:
        text = "three tensors are asked for: the output, the longer keys, the longer values."
        raise Mistake("type", text, text)
    size, given = args["x"], args["keys"]
    grown = (given.shape[0], given.shape[1] + 1, given.shape[2])
    hint = "One row is added to the cache at each step."
    out = answers.expect_floats(f"{name}(...)[0]", result[0], tuple(size.shape))
    caches = [answers.expect_floats(f"{name}(...)[{i}]", result[i], grown, hint) for i in (1, 2)]
    truth, *wanted = _step_truth(args)
    for which, cache, right_one in zip(_CACHE, caches, wanted, strict=True):
        _check_cache(which, cache, right_one, args)
    answers.expect_finite(
        f"{name}(...)[0]", out, "A token sees itself, so an empty cache is no empty sum.", "strict"
    )
    plain = "the output is not the last row of attention over the whole sequence."
    line_up(out, truth, _wrong_steps(args), tolerance=1e-6, otherwise=plain, plain=plain)
    return truth, *wanted


def _check_cache(which: str, cache: Tensor, wanted: Tensor, args: dict[str, Tensor]) -> None:
    new, old = wanted[:, -1:], wanted[:, :-1]
    other = args["x"] @ args["w_value" if which == "keys" else "w_key"]
    weight = args["w_key" if which == "keys" else "w_value"]
    suspects = (
        Suspect("prepended", f"the new row of the {which} comes first: append it.",
                torch.cat([new, old], 1)),
        Suspect("unprojected", f"the token itself is stored among the {which}, not its projection.",
                torch.cat([old, args["x"][:, None]], 1)),
        Suspect("exchanged", f"the new row of the {which} is made with the other matrix.",
                torch.cat([old, other[:, None]], 1)),
        Suspect("transposed", f"the new row of the {which} is made with the transposed matrix.",
                torch.cat([old, (args["x"] @ weight.T)[:, None]], 1)),
    )  # fmt: skip
    plain = f"the {which} are not the old ones followed by the new token's."
    line_up(cache, wanted, suspects, tolerance=1e-6, otherwise=plain, plain=plain)


def _step_truth(args: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = (args["x"] @ args[f"w_{name}"] for name in ("query", "key", "value"))
    keys = torch.cat([args["keys"], key[:, None]], 1)
    values = torch.cat([args["values"], value[:, None]], 1)
    out = _attend(query[:, None], keys, values, sees=lambda i, j: True)
    return out[:, 0], keys, values


def _wrong_steps(args: dict[str, Tensor]) -> Iterator[Suspect]:
    _, keys, values = _step_truth(args)
    query = (args["x"] @ args["w_query"])[:, None]
    everything: Callable[[int, int], bool] = lambda i, j: True  # noqa: E731

    def out(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
        return _attend(q, k, v, scale=scale, sees=everything)[:, 0]

    if keys.shape[1] > 1:
        yield Suspect(
            "stale", "the new token does not see itself: add its key and value first.",
            out(query, keys[:, :-1], values[:, :-1]),
        )  # fmt: skip
        yield Suspect(
            "unscaled", "the scores are not divided by the root of the size of a query.",
            out(query, keys, values, 1.0),
        )  # fmt: skip
        yield Suspect("only-new", "the output is the new value alone.", values[:, -1])
        yield Suspect(
            "mean", "all values have the same weight: where is the softmax of the scores?",
            values.mean(1),
        )  # fmt: skip
        yield Suspect(
            "unprojected", "the token itself is used as the query, not its projection.",
            out(args["x"][:, None], keys, values),
        )  # fmt: skip
    yield Suspect(
        "exchanged", "the output is a mean of keys: it is one of values.", out(query, keys, keys)
    )  # fmt: skip
