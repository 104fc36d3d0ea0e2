"""Wrong densities of mixtures and wrong steps of EM: each fails with the message meant for it."""

import math

import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import distributions

from course_utils.grading import find_question
from course_utils.grading.judges.gaussian_mixtures import density_truth, em_truth

SEEDS = (0, 7, 20_261, 2**31)
HALF = 0.5 * math.log(2 * math.pi)


def logs(x, m, s):
    return -0.5 * ((x[:, None] - m) / s) ** 2 - s.log() - HALF


def density(x, w, m, s):
    return (w.log() + logs(x, m, s)).logsumexp(1)


DENSITIES = {
    "sign": (lambda *a: -density(*a), "sign", "no loss"),
    "density": (
        lambda x, w, m, s: density(x, w, m, s).clamp_min(-700).exp(),
        "no-log",
        "not its logarithm",
    ),
    "constant": (lambda *a: density(*a) + HALF, "no-constant", "is left out"),
    "whole constant": (lambda *a: density(*a) - HALF, "whole-constant", "half of it"),
    "no std": (
        lambda x, w, m, s: (w.log() + logs(x, m, s) + s.log()).logsumexp(1),
        "no-std",
        "narrow component",
    ),
    "variances": (lambda x, w, m, s: density(x, w, m, s.sqrt()), "variance", "for variances"),
    "no weights": (lambda x, w, m, s: logs(x, m, s).logsumexp(1), "no-weights", "left out"),
    "equal weights": (
        lambda x, w, m, s: logs(x, m, s).logsumexp(1) - math.log(3),
        "equal-weights",
        "weigh the same",
    ),
    "mean of logs": (lambda x, w, m, s: (w * logs(x, m, s)).sum(1), "mean-of-logs", "averaged"),
    "best": (lambda x, w, m, s: (w.log() + logs(x, m, s)).amax(1), "best", "only the largest"),
    "no half": (
        lambda x, w, m, s: (w.log() - ((x[:, None] - m) / s) ** 2 - s.log() - HALF).logsumexp(1),
        "no-half",
        "one half in the exponent",
    ),
    "naive": (
        lambda x, w, m, s: (w * logs(x, m, s).exp()).sum(1).log(),
        "overflow",
        "vanish before",
    ),
    "per component": (lambda x, w, m, s: w.log() + logs(x, m, s), "shape", "summed over"),
    "nonsense": (lambda *a: density(*a) + 1, "other", "not the logarithm"),
}


def step(x, w, m, s, *, shares=None, around=None, over=None, root=True, new_w=None):
    """The right step with one part replaced."""
    r = (w.log() + logs(x, m, s)).softmax(1) if shares is None else shares(x, w, m, s)
    n = r.sum(0)
    total = n if over is None else over * torch.ones_like(n)
    mean = (r * x[:, None]).sum(0) / n
    middle = mean if around is None else around(x, w, m, s)
    variance = (r * (x[:, None] - middle) ** 2).sum(0) / total
    weights = n / len(x) if new_w is None else new_w(n, w)
    return weights, mean, variance.sqrt() if root else variance


def made(**options):
    return lambda x, w, m, s: step(x, w, m, s, **options)


def likelihoods(x, w, m, s):
    return w * (logs(x, m, s) + HALF).exp()


def hard(x, w, m, s):
    return torch.eye(3).double()[(w.log() + logs(x, m, s)).argmax(1)]


def naive(x, w, m, s):
    r = likelihoods(x, w, m, s)
    return r / r.sum(1, keepdim=True)


STEPS = {
    "hard": (made(shares=hard), "hard", "share it out"),
    "no prior": (
        made(shares=lambda x, w, m, s: logs(x, m, s).softmax(1)),
        "no-prior",
        "ignore the weights",
    ),
    "not shared": (made(shares=likelihoods), "not-shared", "do not sum to one"),
    "wrong axis": (
        made(shares=lambda x, w, m, s: (w.log() + logs(x, m, s)).softmax(0)),
        "wrong-axis",
        "over the examples",
    ),
    "sum": (made(new_w=lambda n, w: n), "sum", "sum to the number"),
    "old weights": (made(new_w=lambda n, w: w), "old", "old ones"),
    "old mean": (made(around=lambda x, w, m, s: m), "old-mean", "take the new ones"),
    "variances": (made(root=False), "variance", "take their roots"),
    "by n": (lambda x, *a: step(x, *a, over=len(x)), "by-n", "number of all examples"),
    "means by n": (
        lambda x, w, m, s: (
            step(x, w, m, s)[0],
            step(x, w, m, s)[1] * step(x, w, m, s)[0],
            step(x, w, m, s)[2],
        ),
        "by-n",
        "each mean is divided",
    ),
    "old means": (
        lambda x, w, m, s: (step(x, w, m, s)[0], m, step(x, w, m, s)[2]),
        "old",
        "the means are the old",
    ),
    "naive": (made(shares=naive), "overflow", "work with logarithms"),
    "two results": (lambda *a: step(*a)[:2], "type", "3 results"),
    "nonsense": (made(new_w=lambda n, w: n / n.sum() + 0.1), "other", "not those of the next"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DENSITIES)
def test_each_wrong_density_gets_its_message(name, seed, fails):
    answer, category, words = DENSITIES[name]
    fails("w00-mixture", answer, category, words, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", STEPS)
def test_each_wrong_step_gets_its_message(name, seed, fails):
    answer, category, words = STEPS[name]
    fails("w00-em", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(10))
def test_the_masters_pass(seed, master_of):
    master = master_of("week00")
    assert find_question("w00-mixture").assess(master.mixture_log_density, seed).fraction == 1
    assert find_question("w00-em").assess(master.em_step, seed).fraction == 1


def test_the_density_is_that_of_torch():
    args = find_question("w00-mixture").instances(3)[0].args
    law = distributions.MixtureSameFamily(
        distributions.Categorical(args["weights"]),
        distributions.Normal(args["means"], args["stds"]),
    )
    torch.testing.assert_close(density_truth(**args), law.log_prob(args["x"]), atol=1e-12, rtol=0)


def test_the_step_is_that_of_scikit_learn_and_raises_the_likelihood():
    args = find_question("w00-em").instances(3)[0].args
    x, w, m, s = args.values()
    peer = GaussianMixture(
        3, weights_init=w, means_init=m[:, None], precisions_init=(s**-2)[:, None, None],
        max_iter=1, reg_covar=0, tol=0,
    )  # fmt: skip
    with pytest.warns(match="did not converge"):
        peer.fit(x[:, None])
    weights, means, stds = em_truth(**args)
    for ours, theirs in (
        (weights, peer.weights_),
        (means, peer.means_[:, 0]),
        (stds**2, peer.covariances_[:, 0, 0]),
    ):
        torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-10, rtol=0)
    before = density_truth(x, w, m, s).sum()
    assert density_truth(x, weights, means, stds).sum() > before
