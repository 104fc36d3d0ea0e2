"""Judge of a trained linear autoencoder: how far is its loss from the entropy of the source?

    decoder  p(x | z) = N(W z + b, s^2 I),      encoder  q(z | x) = N(A x + c, diag t^2).

The source is a Gaussian that the judge knows, so both parts of the distance are closed forms:

    E[log p*(x) - ELBO(x)] = KL(p* || model) + E KL(q(z | x) || p(z | x)).
"""

import math
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right

_DIM, _LATENT, _EXAMPLES = 6, 2, 4000
_FULL, _HALF = 0.05, 0.15
_SHAPES = {
    "decoder.weight": (_DIM, _LATENT),
    "decoder.bias": (_DIM,),
    "log_noise": (),
    "encoder.weight": (_LATENT, _DIM),
    "encoder.bias": (_LATENT,),
    "log_std": (_LATENT,),
}


def draw(seed: int) -> list[Instance]:
    """A Gaussian source with two strong directions and noise, and examples of it."""
    generator = torch.Generator().manual_seed(seed + 3707)
    directions = torch.randn(_DIM, _LATENT, generator=generator, dtype=torch.float64)
    weight = torch.linalg.qr(directions).Q @ torch.diag(torch.tensor([2.5, 1.5]).double())
    turn = 2 * math.pi * float(torch.rand(1, generator=generator))
    cos, sin = math.cos(turn), math.sin(turn)
    weight = weight @ torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    bias = torch.randn(_DIM, generator=generator, dtype=torch.float64)
    noise = 0.3 + 0.3 * float(torch.rand(1, generator=generator))
    normals = torch.randn(_EXAMPLES, _LATENT + _DIM, generator=generator, dtype=torch.float64)
    x = bias + normals[:, :_LATENT] @ weight.T + noise * normals[:, _LATENT:]
    covariance = weight @ weight.T + noise**2 * torch.eye(_DIM).double()
    args = {"x": x.float(), "mean": bias, "covariance": covariance}
    return [Instance("a Gaussian source in six dimensions", args)]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Recompute both parts of the distance from the file of weights."""
    weights = _read(answer)
    source = instance.args["mean"], instance.args["covariance"]
    decoder, encoder = decoder_gap(weights, *source), encoder_gap(weights, *source)
    total = decoder + encoder
    if not math.isfinite(total):
        raise Mistake("overflow", "the distance is not finite: did training diverge?")
    shown = f"the expected loss lies {total:.4f} nats above the entropy"
    if total <= _FULL:
        return right(f"{shown}, at most {_FULL}.")
    advice = _advice(weights, source, decoder, encoder)
    shown += f" ({decoder:.4f} by the decoder, {encoder:.4f} by the encoder)"
    fraction = 0.5 if total <= _HALF else 0.0
    return Verdict(fraction, f"{shown}, more than {_FULL}: {advice}", "wrong", "gap", advice)


def _advice(
    weights: dict[str, Tensor], source: tuple[Tensor, Tensor], decoder: float, encoder: float
) -> str:
    covariance = source[1]
    used = weights["encoder.weight"] @ covariance @ weights["encoder.weight"].T
    rates = 0.5 * (used.diagonal() / weights["log_std"].mul(2).exp()).log1p()
    if bool((rates < 0.05).any()):
        return (
            "a latent variable tells nothing about x: is the divergence weighed too heavily, for "
            "instance by a mean over variables in the other term?"
        )
    if encoder > 2 * decoder:
        return "most of it is the encoder's gap: is its width learned, and is training finished?"
    noise = torch.linalg.eigvalsh(covariance)[0].sqrt()
    if float((weights["log_noise"] - noise.log()).abs()) > 0.1:
        return "the decoder's noise is off: is log_noise learned, with its constant in the loss?"
    return "train longer, with a learning rate that decays."


def _read(answer: Any) -> dict[str, Tensor]:
    weights = answers.read_weights(answer)
    for name, shape in _SHAPES.items():
        if name not in weights:
            raise Mistake("missing-tensor", f"the file holds no tensor named {name!r}.")
        answers.expect_finite(name, answers.expect_floats(name, weights[name], shape))
    kept = {name: weights[name].double() for name in _SHAPES}
    if float(kept["log_noise"].abs()) > 20 or float(kept["log_std"].abs().max()) > 20:
        raise Mistake("overflow", "a width is beyond exp(20): did training diverge?")
    return kept


def decoder_gap(weights: dict[str, Tensor], mean: Tensor, covariance: Tensor) -> float:
    """KL(source || model) in nats, from the eigenvalues of one covariance seen by the other."""
    decoder, noise = weights["decoder.weight"], weights["log_noise"].exp()
    model = decoder @ decoder.T + noise**2 * torch.eye(_DIM).double()
    root = torch.linalg.cholesky(model)
    seen = torch.linalg.solve_triangular(root, torch.linalg.cholesky(covariance), upper=False)
    away = torch.linalg.solve_triangular(root, (mean - weights["decoder.bias"])[:, None],
                                         upper=False)  # fmt: skip
    ratios = torch.linalg.svdvals(seen).square()
    return 0.5 * float((ratios - 1 - ratios.log()).sum() + away.square().sum())


def encoder_gap(weights: dict[str, Tensor], mean: Tensor, covariance: Tensor) -> float:
    """E KL(q(z | x) || p(z | x)) in nats under the source."""
    decoder, variance = weights["decoder.weight"], weights["log_noise"].mul(2).exp()
    precision = torch.eye(_LATENT).double() + decoder.T @ decoder / variance
    best = torch.linalg.solve(precision, decoder.T / variance)
    slope = weights["encoder.weight"] - best
    offset = slope @ mean + weights["encoder.bias"] + best @ weights["decoder.bias"]
    spread = slope @ covariance @ slope.T + torch.outer(offset, offset)
    widths = weights["log_std"].mul(2).exp()
    trace = (precision * (spread + widths.diag())).sum()
    return 0.5 * float(trace - _LATENT - torch.logdet(precision) - 2 * weights["log_std"].sum())
