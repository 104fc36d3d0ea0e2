"""The checkpoint on variational inference: exact answers pass, each wrong one is named."""

import pytest
import torch
from torch.distributions import MultivariateNormal as Normal
from torch.distributions import kl_divergence

from course_utils.gaussians import DiagonalGaussian
from course_utils.grading import find_question
from course_utils.models.latent import LinearGaussian

SEEDS = (0, 7, 20_261, 2**31)
ARGS = ("x", "weight", "bias", "noise", "mean", "log_std", "eps")


def solved(x, weight, bias, noise, mean, log_std, eps, sampled="likelihood"):
    """The right answer by the package and autograd, whichever terms are sampled."""
    model = LinearGaussian(weight, bias, noise)
    m, s = mean.clone().requires_grad_(), log_std.clone().requires_grad_()
    z = (m + s.exp() * eps)[:, None]
    q = DiagonalGaussian(m, s)
    if sampled == "likelihood":
        estimate = model.log_likelihood(x[None], z).mean()
        estimate = estimate - q.kl(DiagonalGaussian.standard(2, m))
    elif sampled == "joint":
        estimate = model.log_joint(x[None], z).mean() + q.entropy()
    else:
        fixed = DiagonalGaussian(m.detach(), s.detach()) if sampled == "path" else q
        estimate = (model.log_joint(x[None], z)[:, 0] - fixed.log_prob(z)[:, 0]).mean()
    grads = torch.autograd.grad(estimate, (m, s))
    evidence = model.log_prob(x[None])[0]
    post = model.posterior(x[None])
    ours = Normal(mean, (2 * log_std).exp().diag())
    gap = kl_divergence(ours, Normal(post.mean[0], post.covariance))
    return evidence, evidence - gap, gap, *grads


def changed(rule):
    def bound_and_gradient(x, weight, bias, noise, mean, log_std, eps):
        right = solved(x, weight, bias, noise, mean, log_std, eps)
        args = dict(zip(ARGS, (x, weight, bias, noise, mean, log_std, eps), strict=True))
        return rule(args, *right)

    return bound_and_gradient


def rate(a):
    q = Normal(a["mean"], (2 * a["log_std"]).exp().diag())
    return kl_divergence(q, Normal(torch.zeros(2).double(), torch.eye(2).double()))


def backwards(a):
    post = LinearGaussian(a["weight"], a["bias"], a["noise"]).posterior(a["x"][None])
    q = Normal(a["mean"], (2 * a["log_std"]).exp().diag())
    return kl_divergence(Normal(post.mean[0], post.covariance), q)


def spread(a):
    squares = a["weight"].square().sum(0)
    return (2 * a["log_std"]).exp() * squares / a["noise"] ** 2


def evidence(a, noise):
    return LinearGaussian(a["weight"], a["bias"], noise).log_prob(a["x"][None])[0]


ZOO = {
    "noise": (
        changed(lambda a, e, b, g, m, s: (evidence(a, a["noise"] ** 0.5), b, g, m, s)),
        "noise",
        "standard deviation",
    ),
    "bound for evidence": (
        changed(lambda a, e, b, g, m, s: (b, b, g, m, s)),
        "bound",
        "the gap is missing",
    ),
    "noise alone": (
        changed(lambda a, e, b, g, m, s: (
            LinearGaussian(0 * a["weight"], a["bias"], a["noise"]).log_prob(a["x"][None])[0],
            b, g, m, s,
        )),
        "no-noise",
        "what z contributes",
    ),
    "evidence for bound": (
        changed(lambda a, e, b, g, m, s: (e, e, g, m, s)),
        "evidence",
        "where is q",
    ),
    "above": (changed(lambda a, e, b, g, m, s: (e, e + g, g, m, s)), "above", "is subtracted"),
    "loss": (changed(lambda a, e, b, g, m, s: (e, -b, g, m, s)), "sign", "ELBO has the wrong sign"),
    "no rate": (
        changed(lambda a, e, b, g, m, s: (e, b + rate(a), g, m, s)),
        "no-rate",
        "ELBO leaves",
    ),
    "rate added": (
        changed(lambda a, e, b, g, m, s: (e, b + 2 * rate(a), g, m, s)),
        "rate-sign",
        "ELBO adds",
    ),
    "at the mean": (
        changed(lambda a, e, b, g, m, s: (e, b + 0.5 * spread(a).sum(), g, m, s)),
        "no-spread",
        "at the mean of q",
    ),
    "rate for gap": (changed(lambda a, e, b, g, m, s: (e, b, rate(a), m, s)), "rate", "posterior"),
    "reversed": (
        changed(lambda a, e, b, g, m, s: (e, b, backwards(a), m, s)),
        "reversed",
        "q comes first",
    ),
    "negative gap": (changed(lambda a, e, b, g, m, s: (e, b, -g, m, s)), "sign", "never negative"),
    "descent": (
        changed(lambda a, e, b, g, m, s: (e, b, g, -m, -s)),
        "sign",
        "by mean has the wrong",
    ),
    "cut off": (changed(lambda a, e, b, g, m, s: (e, b, g, 0 * m, s)), "zero", "draws are cut off"),
    "no prior": (
        changed(lambda a, e, b, g, m, s: (e, b, g, m + a["mean"], s)),
        "no-rate",
        "by mean leaves out the divergence",
    ),
    "prior alone": (
        changed(lambda a, e, b, g, m, s: (e, b, g, -a["mean"], s)),
        "only-rate",
        "prior alone",
    ),
    "sum": (changed(lambda a, e, b, g, m, s: (e, b, g, 6 * m, s)), "sum", "a mean is asked for"),
    "sign of the scale": (
        changed(lambda a, e, b, g, m, s: (e, b, g, m, -s)),
        "sign",
        "log_std has",
    ),
    "by sigma": (
        changed(lambda a, e, b, g, m, s: (e, b, g, m, s / a["log_std"].exp())),
        "by-std",
        "not by its logarithm",
    ),
    "no entropy": (
        changed(lambda a, e, b, g, m, s: (e, b, g, m, s - 1)),
        "no-entropy",
        "leaves out the entropy",
    ),
    "no prior for the scale": (
        changed(lambda a, e, b, g, m, s: (e, b, g, m, -spread(a))),
        "no-rate",
        "by log_std leaves out the div",
    ),
    "prior's scale alone": (
        changed(lambda a, e, b, g, m, s: (e, b, g, m, 1 - (2 * a["log_std"]).exp())),
        "only-rate",
        "by log_std is that of",
    ),
    "not traced": (changed(lambda a, e, b, g, m, s: (e, b, g, None, s)), "detached", "is None"),
    "gradients alone": (changed(lambda a, e, b, g, m, s: (m, s)), "type", "5 results"),
    "off by a little": (
        changed(lambda a, e, b, g, m, s: (e + 1e-4, b + 1e-4, g, m, s)),
        "other",
        "double precision",
    ),
    "far off": (
        changed(lambda a, e, b, g, m, s: (e - 50, b, g, m, s)),
        "other",
        "not right to 1e-6",
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_answer_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w04-checkpoint", answer, category, words, seed)


@pytest.mark.concept("ped.theory-checkpoint-4")
@pytest.mark.parametrize("sampled", ["likelihood", "joint", "all", "path"])
@pytest.mark.parametrize("seed", range(5))
def test_every_correct_estimate_of_the_gradient_is_exact_to_1e_6(sampled, seed):
    def answer(x, weight, bias, noise, mean, log_std, eps):
        return solved(x, weight, bias, noise, mean, log_std, eps, sampled)

    assert find_question("w04-checkpoint").assess(answer, seed).fraction == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_master_passes(seed, master_of):
    answer = master_of("week04").bound_and_gradient
    assert find_question("w04-checkpoint").assess(answer, seed).fraction == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_noise_is_standard_to_rounding(seed):
    eps = find_question("w04-checkpoint").instances(seed)[0].args["eps"]
    torch.testing.assert_close(eps.mean(0), torch.zeros(2).double(), rtol=0, atol=1e-14)
    second = eps.T @ eps / len(eps)
    torch.testing.assert_close(second, torch.eye(2).double(), rtol=0, atol=1e-14)


def test_ordinary_noise_is_not_enough(fails):
    def ordinary(x, weight, bias, noise, mean, log_std, eps):
        generator = torch.Generator().manual_seed(0)
        own = torch.randn(6, 2, generator=generator, dtype=torch.float64)
        return solved(x, weight, bias, noise, mean, log_std, own)

    verdict = fails("w04-checkpoint", ordinary, "other", "by mean is not right")
    assert verdict.fraction == 0.5
