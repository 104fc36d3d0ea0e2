"""Wrong reparameterised gradients: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.pathwise import _truth

SEEDS = (0, 7, 20_261, 2**31)


def f(z, c):
    return (z - c).square().sum(-1).log1p()


def pathwise(mean, log_std, eps, center, *, draw=None, reduce=torch.mean):
    mean, log_std = mean.clone().requires_grad_(), log_std.clone().requires_grad_()
    z = mean + log_std.exp() * eps if draw is None else draw(mean, log_std, eps)
    value = reduce(f(z, center))
    grads = torch.autograd.grad(value, (mean, log_std), allow_unused=True)
    return value.detach(), *grads


def drawn(draw):
    return lambda m, s, eps, c: pathwise(m, s, eps, c, draw=draw)


def changed(change):
    """The right answer with its parts put through a function."""
    return lambda m, s, eps, c: change(m, s, eps, c, *pathwise(m, s, eps, c))


def score(m, s, eps, c):
    value = f(m + s.exp() * eps, c)[:, None]
    return value.mean(), (value * eps / s.exp()).mean(0), (value * (eps**2 - 1)).mean(0)


def fresh(m, s, eps, c):
    return pathwise(m, s, torch.randn_like(eps), c)


ZOO = {
    "log variance": (drawn(lambda m, s, e: m + (s / 2).exp() * e), "log-var", "of a variance"),
    "variance": (drawn(lambda m, s, e: m + (2 * s).exp() * e), "variance", "multiplied by the var"),
    "no noise": (drawn(lambda m, s, e: m + 0 * s * e), "no-noise", "where is the noise"),
    "sum": (lambda *a: pathwise(*a, reduce=torch.sum), "signature", "pathwise"),
    "sum of gradients": (
        changed(lambda m, s, e, c, v, a, b: (v, len(e) * a, len(e) * b)),
        "sum",
        "a mean is asked for",
    ),
    "only the value is a sum": (
        changed(lambda m, s, e, c, v, a, b: (len(e) * v, a, b)),
        "sum",
        "the estimate is a sum",
    ),
    "sign": (changed(lambda m, s, e, c, v, a, b: (v, -a, -b)), "sign", "by mean has the wrong"),
    "sign of one": (changed(lambda m, s, e, c, v, a, b: (v, a, -b)), "sign", "by log_std has"),
    "cut off": (
        changed(lambda m, s, e, c, v, a, b: (v, 0 * a, 0 * b)),
        "detached",
        "by mean is zero",
    ),
    "scale cut off": (
        drawn(lambda m, s, e: m + (s.detach().exp() * e) + 0 * s),
        "detached",
        "by log_std is zero",
    ),
    "unused": (drawn(lambda m, s, e: m + s.detach().exp() * e), "detached", "is None"),
    "score function": (score, "score", "differentiate along the draws"),
    "score for the scale": (
        changed(lambda m, s, e, c, v, a, b: (v, a, score(m, s, e, c)[2])),
        "score",
        "score-function",
    ),
    "by sigma": (
        changed(lambda m, s, e, c, v, a, b: (v, a, b / s.exp())),
        "by-std",
        "not by its logarithm",
    ),
    "the mean's again": (changed(lambda m, s, e, c, v, a, b: (v, a, a)), "by-mean", "again"),
    "own noise": (fresh, "random", "two different results"),
    "gradients alone": (changed(lambda m, s, e, c, v, a, b: (a, b)), "type", "3 results"),
    "one per draw": (
        changed(lambda m, s, e, c, v, a, b: (v, a.expand(len(e), -1), b)),
        "shape",
        "entry for each coordinate",
    ),
    "nonsense": (changed(lambda m, s, e, c, v, a, b: (v, a + 1, b)), "other", "not right"),
}
ZOO.pop("sum")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_gradient_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w03-reparam", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_autograd_and_the_master_pass(seed, master_of):
    right = lambda mean, log_std, eps, center: pathwise(mean, log_std, eps, center)  # noqa: E731
    for answer in (right, master_of("week03").pathwise_gradient):
        assert find_question("w03-reparam").assess(answer, seed).fraction == 1


def test_the_chain_rule_agrees_with_differences():
    args = find_question("w03-reparam").instances(5)[0].args
    _, by_mean, by_log_std = _truth(**args)
    for name, truth in (("mean", by_mean), ("log_std", by_log_std)):
        for j in range(3):
            step = 1e-5 * torch.eye(3).double()[j]
            up, down = ({**args, name: args[name] + sign * step} for sign in (1, -1))
            slope = (_truth(**up)[0] - _truth(**down)[0]) / 2e-5
            assert float(slope) == pytest.approx(float(truth[j]), abs=1e-9)
