"""Judge of trained weights: how far is the model they define from a source known exactly?

The file holds the tensors of an embedding, one hidden tanh layer and an output layer. The judge
runs that network itself on every context, weighs the divergence of its conditional from the true
one by the probability of the context, and so has the gap in nats per symbol without sampling:

    gap = sum_c p(c) KL( p(. | c) || q(. | c) ) = cross-entropy rate - entropy rate
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right

_SYMBOLS, _SEQUENCES, _LENGTH = 6, 500, 64
_FULL, _HALF = 0.02, 0.05
_MAX_CONTEXT, _MAX_WEIGHTS = 5, 20_000
_NAMES = ("embedding.weight", "hidden.weight", "hidden.bias", "output.weight", "output.bias")


def draw(seed: int) -> list[Instance]:
    """A source of order two, with sequences drawn from it."""
    generator = torch.Generator().manual_seed(seed + 505)
    shape = (_SYMBOLS,) * 3
    source = (2 * torch.randn(shape, generator=generator, dtype=torch.float64)).softmax(-1)
    tokens = _sample(source, generator)
    return [Instance("a source of order two", {"transition": source, "tokens": tokens})]


def _sample(source: Tensor, generator: torch.Generator) -> Tensor:
    pairs = torch.multinomial(_pair_law(source).flatten(), _SEQUENCES, True, generator=generator)
    symbols = [pairs // _SYMBOLS, pairs % _SYMBOLS]
    for _ in range(_LENGTH - 2):
        rows = source[symbols[-2], symbols[-1]]
        symbols.append(torch.multinomial(rows, 1, generator=generator)[:, 0])
    return torch.stack(symbols, dim=1)


def _pair_law(source: Tensor) -> Tensor:
    """The stationary law of (x_{t-1}, x_t): the left eigenvector of the chain on pairs."""
    size = len(source)
    step = np.zeros((size, size, size, size))
    for a in range(size):
        for b in range(size):
            step[a, b, b] = source[a, b].numpy()
    step = step.reshape(size**2, size**2)
    equations = np.vstack([step.T - np.eye(size**2), np.ones(size**2)])
    law = np.linalg.lstsq(equations, np.append(np.zeros(size**2), 1.0), rcond=None)[0]
    return torch.from_numpy(law.clip(min=0).reshape(size, size))


def examine(answer: Any, instance: Instance) -> Verdict:
    """Recompute the gap from the file of weights."""
    source = instance.args["transition"]
    weights = _read(answer)
    context = _context(weights)
    gap = gap_of(weights, source)
    if not math.isfinite(gap):
        raise Mistake("overflow", "the network's outputs are not finite: did training diverge?")
    shown = f"the gap to the entropy rate is {gap:.4f} nats per symbol"
    if gap <= _FULL:
        return right(f"{shown}, at most {_FULL}.")
    advice = _advice(weights, source, context, gap)
    fraction = 0.5 if gap <= _HALF else 0.0
    return Verdict(fraction, f"{shown}, more than {_FULL}: {advice}", "wrong", "gap", advice)


def _advice(weights: dict[str, Tensor], source: Tensor, context: int, gap: float) -> str:
    uniform = torch.full_like(source, 1 / _SYMBOLS)
    if context == 1:
        return "with one symbol of context no network can do much better; the source looks at two."
    if gap_of(weights, source, backwards=True) < 0.5 * gap:
        return "read backwards, the contexts fit better: is the oldest symbol first?"
    if gap > 0.9 * _divergence(source, uniform):
        return "that is no better than uniform: has it been trained, and is the last state saved?"
    return "a larger learning rate that decays, or larger batches, reach it within the steps."


def _read(answer: Any) -> dict[str, Tensor]:
    weights = answers.read_weights(answer)
    missing = [name for name in _NAMES if name not in weights]
    if missing:
        raise Mistake("missing-tensor", f"the file holds no tensor named {missing[0]!r}.")
    return {name: weights[name] for name in _NAMES}


def _context(weights: dict[str, Tensor]) -> int:
    """Check the shapes and return the number of symbols the network looks back."""
    embedding, hidden = weights["embedding.weight"], weights["hidden.weight"]
    for name in ("embedding.weight", "hidden.weight"):
        if weights[name].ndim != 2 or weights[name].numel() == 0:
            shape = tuple(weights[name].shape)
            raise Mistake("shape", f"{name}: expected a matrix, got shape {shape}.")
    if len(embedding) != _SYMBOLS:
        raise Mistake("shape", f"embedding.weight: expected {_SYMBOLS} rows, one per symbol.")
    context, rest = divmod(hidden.shape[1], embedding.shape[1])
    if rest or not 1 <= context <= _MAX_CONTEXT:
        raise Mistake(
            "shape",
            f"hidden.weight: expected m times {embedding.shape[1]} columns, with m from 1 to "
            f"{_MAX_CONTEXT} symbols of context, got {hidden.shape[1]}.",
        )
    width = len(hidden)
    shapes = {"hidden.bias": (width,), "output.weight": (_SYMBOLS, width)}
    for name, tensor in weights.items():
        shape = {**shapes, "output.bias": (_SYMBOLS,)}.get(name, tuple(tensor.shape))
        answers.expect_finite(name, answers.expect_floats(name, tensor, shape))
    total = sum(tensor.numel() for tensor in weights.values())
    if total > _MAX_WEIGHTS:
        raise Mistake("size", f"{total} weights are more than the {_MAX_WEIGHTS} allowed.")
    return context


def gap_of(weights: dict[str, Tensor], source: Tensor, *, backwards: bool = False) -> float:
    """Return the divergence rate of the network from the source, in nats per symbol, exactly.

    Args:
        weights: The five tensors.
        source: p(x_t | x_{t-2}, x_{t-1}), shape (V, V, V).
        backwards: Feed the network each context the wrong way round.
    """
    w = {name: tensor.double() for name, tensor in weights.items()}
    context = w["hidden.weight"].shape[1] // w["embedding.weight"].shape[1]
    seen = torch.cartesian_prod(*[torch.arange(_SYMBOLS)] * max(context, 2))
    fed = seen[:, -context:].flip(1) if backwards else seen[:, -context:]
    model = torch.cat([_run_network(w, part) for part in fed.split(128)])
    law = _pair_law(source)[seen[:, 0], seen[:, 1]]
    for t in range(2, seen.shape[1]):
        law = law * source[seen[:, t - 2], seen[:, t - 1], seen[:, t]]
    truth = source[seen[:, -2], seen[:, -1]]
    return float((law[:, None] * truth * (truth.log() - model)).sum())


def _run_network(w: dict[str, Tensor], contexts: Tensor) -> Tensor:
    """Log-probabilities of the next symbol; no array is much larger than the weights."""
    blocks = w["hidden.weight"].unflatten(1, (contexts.shape[1], -1)).unbind(1)
    by_symbol = [w["embedding.weight"] @ block.T for block in blocks]
    looked_up = [table[symbols] for table, symbols in zip(by_symbol, contexts.T, strict=True)]
    hidden = torch.tanh(sum(looked_up) + w["hidden.bias"])
    return (hidden @ w["output.weight"].T + w["output.bias"]).log_softmax(-1)


def _divergence(source: Tensor, model: Tensor) -> float:
    law = _pair_law(source)[..., None]
    return float((law * source * (source.log() - model.log())).sum())
