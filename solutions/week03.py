# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Week 3: a bound, its gap, and its gradient
#
# Eight questions, 100 points. The first three are about the evidence lower bound and what it
# misses, the next two differentiate an expectation in two ways, the sixth makes the bound tighter,
# and the seventh trains a small autoencoder down to an entropy that is known exactly. A check
# follows each question and says at once whether the answer is right, and if not, what to look at.
# Ninety points are checked by machine; the last question is a text that you mark yourself. Replace
# each placeholder by your answer and run the cells from top to bottom. Everything works without a
# network, and the whole assignment needs well under a minute of computing. Logarithms are natural
# and likelihoods are in nats.

# %%
import math

import torch
from safetensors.torch import save_file

from course_utils.grading import check, given

torch.manual_seed(0)
torch.set_num_threads(1)

# %% [markdown]
# ## 1. The divergence of two Gaussians
#
# *implement, 10 points, concept* `vae.gaussian-kl`
#
# An encoder says $q = \mathcal{N}(\mu, \mathrm{diag}\, \sigma^2)$, one for each example. The prior
# is $p = \mathcal{N}(m, \mathrm{diag}\, s^2)$, the same for all of them. Return
# $\mathrm{KL}(q \Vert p)$ of each example. Networks emit the logarithm of a variance, so that is
# what you get. The check integrates numerically, and also tries widths whose square vanishes in
# single precision. Do not call `torch.distributions`; write the closed form.


# %%
def gaussian_kl(
    mean: torch.Tensor,
    log_var: torch.Tensor,
    prior_mean: torch.Tensor,
    prior_log_var: torch.Tensor,
) -> torch.Tensor:
    """Return the divergence KL(q || p) of each example in nats.

    Args:
        mean: Means of q, (batch, dim).
        log_var: log sigma^2 of q, (batch, dim).
        prior_mean: Mean of p, (dim,).
        prior_log_var: log s^2 of p, (dim,).

    Returns:
        Divergences (batch,).
    """
    # begin answer w03-gaussian-kl: the closed form of one coordinate, then the sum over them
    log_ratio = log_var - prior_log_var
    moved = (mean - prior_mean).square() * torch.exp(-prior_log_var)
    return 0.5 * (log_ratio.exp() + moved - 1 - log_ratio).sum(-1)
    # end answer w03-gaussian-kl


check("w03-gaussian-kl", gaussian_kl)

# %% [markdown]
# ## 2. A bound you can compute
#
# *implement, 15 points, concept* `vae.elbo`
#
# In the linear-Gaussian model $z \sim \mathcal{N}(0, I)$ and
# $x \mid z \sim \mathcal{N}(W z + b, \sigma^2 I)$. For a law $q = \mathcal{N}(m, S)$, with one mean
# for each example and one covariance for all, the bound
#
# $$\mathrm{ELBO}(x) = \mathbb{E}_{q}[\log p(x \mid z)] - \mathrm{KL}(q \Vert p(z))$$
#
# has a closed form, constants included. The check does not use this decomposition: it computes
# $\log p(x)$ and the exact posterior, and takes $\log p(x) - \mathrm{KL}(q \Vert p(z \mid x))$.


# %%
def elbo(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    noise: float,
    mean: torch.Tensor,
    covariance: torch.Tensor,
) -> torch.Tensor:
    """Return the evidence lower bound of each example in nats.

    Args:
        x: Examples (batch, dim).
        weight: W, (dim, latent).
        bias: b, (dim,).
        noise: The standard deviation sigma.
        mean: m, (batch, latent).
        covariance: S, (latent, latent), symmetric, not diagonal in general.

    Returns:
        Bounds (batch,).
    """
    # begin answer w03-elbo: expected log likelihood, minus the divergence from the prior
    dim, latent = weight.shape
    squares = (x - mean @ weight.T - bias).square().sum(-1)
    squares = squares + (weight @ covariance @ weight.T).trace()
    expected = -0.5 * squares / noise**2 - 0.5 * dim * math.log(2 * math.pi * noise**2)
    size = covariance.trace() + mean.square().sum(-1)
    rate = 0.5 * (size - latent - torch.logdet(covariance))
    return expected - rate
    # end answer w03-elbo


check("w03-elbo", elbo)

# %% [markdown]
# ## 3. Two gaps
#
# *compute, 10 points, concept* `vae.amortised`
#
# The exact posterior of an example is Gaussian, with mean `posterior_mean` and with correlated
# coordinates, `posterior_covariance`. An encoder offers a law with independent coordinates, of mean
# `encoder_mean` and standard deviations `encoder_std`. How many nats does the *best* law with
# independent coordinates lose, because it cannot be correlated (`approximation`)? How many more
# does the encoder lose, because it did not find the best one (`amortisation`)? Both losses are
# divergences from the posterior, the approximating law first. A relative error of 0.1 % is allowed.

# %%
case = given("w03-gaps")
print(case)

# begin answer w03-gaps: a dict of two numbers of nats, approximation and amortisation
precision = torch.linalg.inv(case["posterior_covariance"])


def loss_of(center: torch.Tensor, variances: torch.Tensor) -> float:
    """KL of a law with independent coordinates from the posterior."""
    moved = center - case["posterior_mean"]
    quadratic = precision.diagonal() @ variances + moved @ precision @ moved
    log_dets = -torch.logdet(precision) - variances.log().sum()
    return 0.5 * float(quadratic - len(moved) + log_dets)


least = loss_of(case["posterior_mean"], 1 / precision.diagonal())
in_all = loss_of(case["encoder_mean"], case["encoder_std"].square())
gaps = {"approximation": least, "amortisation": in_all - least}
# end answer w03-gaps

check("w03-gaps", gaps)

# %% [markdown]
# ## 4. A gradient through the draw
#
# *implement, 15 points, concept* `vae.reparam`
#
# Let $z \sim \mathcal{N}(\mu, \mathrm{diag}\, \sigma^2)$ and $f(z) = \log(1 + \lVert z - c
# \rVert^2)$. Given noise $\varepsilon_1, \dots, \varepsilon_n$ from a standard normal law, return
# the estimate $\frac{1}{n} \sum_i f(z_i)$ of $\mathbb{E} f(z)$, and its gradients with respect to
# $\mu$ and to $\log \sigma$. Write the draws so that gradients flow through them and let
# `torch.autograd.grad` do the rest. The check writes the chain rule out by hand.


# %%
def f(z: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """Return log(1 + |z - c|^2) of each row."""
    return (z - center).square().sum(-1).log1p()


def pathwise_gradient(
    mean: torch.Tensor, log_std: torch.Tensor, eps: torch.Tensor, center: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return an estimate of E f(z) and its gradients.

    Args:
        mean: The mean of z, (dim,).
        log_std: log sigma, (dim,).
        eps: Standard normal noise, (draws, dim).
        center: c, (dim,).

    Returns:
        The estimate (), its gradient by mean (dim,) and by log_std (dim,).
    """
    # begin answer w03-reparam: parameters that ask for gradients, draws made of them, autograd
    mean, log_std = (p.detach().clone().requires_grad_() for p in (mean, log_std))
    estimate = f(mean + log_std.exp() * eps, center).mean()
    by_mean, by_log_std = torch.autograd.grad(estimate, (mean, log_std))
    return estimate.detach(), by_mean, by_log_std
    # end answer w03-reparam


check("w03-reparam", pathwise_gradient)

# %% [markdown]
# ## 5. A gradient without the draw
#
# *implement, 15 points, concept* `vae.score-function`
#
# A symbol $k$ has probability $p_k = \mathrm{softmax}(\ell)_k$ and the value $f_k$. No draw of it
# can be differentiated, but $\nabla_\ell\, \mathbb{E} f = \mathbb{E}[f_k \nabla_\ell \log p_k]$.
# From draws $k_1, \dots, k_n$ with $n \ge 2$ form the estimate
#
# $$\frac{1}{n} \sum_i (f_{k_i} - b_i) \nabla_\ell \log p_{k_i}, \qquad
#   b_i = \frac{1}{n - 1} \sum_{j \ne i} f_{k_j},$$
#
# whose baseline $b_i$ leaves the draw itself out, so that the estimate stays unbiased. Each row of
# `draws` is such a set of draws. The check lists *all* sets of two and of three draws and verifies
# that the estimates, weighted by their probabilities, add up to the exact gradient.


# %%
def score_gradient(logits: torch.Tensor, values: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Return the estimate of each row of draws.

    Args:
        logits: (symbols,).
        values: f, (symbols,).
        draws: Symbols drawn, whole numbers (rows, n) with n at least 2.

    Returns:
        Gradients (rows, symbols).
    """
    # begin answer w03-score: values less the mean of the others, times the gradient of log p
    drawn = values[draws]
    others = (drawn.sum(1, keepdim=True) - drawn) / (draws.shape[1] - 1)
    scores = torch.eye(len(logits), dtype=logits.dtype)[draws] - logits.softmax(-1)
    return ((drawn - others)[..., None] * scores).mean(1)
    # end answer w03-score


check("w03-score", score_gradient)

# %% [markdown]
# ## 6. A tighter bound
#
# *implement, 10 points, concept* `vae.iwae`
#
# With weights $w_i = p(x, z_i) / q(z_i \mid x)$ of draws $z_i \sim q$, the importance-weighted
# bound of $k$ draws is $\mathbb{E} \log \frac{1}{k} \sum_{i \le k} w_i$; for $k = 1$ it is the
# ELBO. Estimate it from $n$ draws: neighbours form groups of $k$, each group gives the logarithm of
# its mean weight, and the groups are averaged. Weights of pictures are of the size $e^{-1000}$; the
# check tries even smaller ones.


# %%
def importance_bound(log_weights: torch.Tensor, k: int) -> torch.Tensor:
    """Return the estimate of the bound of k draws, for each example.

    Args:
        log_weights: log w, (draws, batch); k divides the number of draws.
        k: Size of a group of consecutive draws.

    Returns:
        Bounds (batch,) in nats.
    """
    # begin answer w03-iwae: groups of k, log-sum-exp within, less log k, mean over the groups
    groups = log_weights.unflatten(0, (-1, k))
    log_means = groups.logsumexp(1) - math.log(k)
    return log_means.mean(0)
    # end answer w03-iwae


check("w03-iwae", importance_bound)

# %% [markdown]
# ## 7. Down to the entropy, with a latent vector
#
# *experiment, 15 points, concept* `vae.vae`
#
# The 4000 examples `x` in six dimensions come from a Gaussian source. Fit a variational autoencoder
# with two latent variables, whose decoder $p(x \mid z) = \mathcal{N}(W z + b, s^2 I)$ and encoder
# $q(z \mid x) = \mathcal{N}(A x + c, \mathrm{diag}\, t^2)$ are linear, in **at most 2000 optimiser
# steps**. Learn the noise $s$ as well. Save its parameters with `save_file`, as tensors named
#
# - `decoder.weight` $W$ (6, 2), `decoder.bias` $b$ (6,), `log_noise` $\log s$ ();
# - `encoder.weight` $A$ (2, 6), `encoder.bias` $c$ (2,), `log_std` $\log t$ (2,).
#
# Let `weights_file` be the file's name. The check computes from these numbers, without sampling,
# how far the expected loss $-\mathrm{ELBO}$ lies above the entropy of the source: at most 0.05 nats
# earn all points, at most 0.15 half of them. If you take a mean over the variables in one term of
# the loss and a sum in the other, you train something else, and it shows.

# %%
x = given("w03-vae")["x"]


# begin answer w03-vae: train within the budget, save, and give the name of the file
def negative_bound(params: dict[str, torch.Tensor], batch: torch.Tensor) -> torch.Tensor:
    """Mean of -ELBO with one draw of z, both terms in nats per example."""
    center = batch @ params["encoder.weight"].T + params["encoder.bias"]
    draws = center + params["log_std"].exp() * torch.randn_like(center)
    away = batch - draws @ params["decoder.weight"].T - params["decoder.bias"]
    constant = 2 * params["log_noise"] + math.log(2 * math.pi)
    distortion = 0.5 * (away.square() * torch.exp(-2 * params["log_noise"]) + constant).sum(-1)
    widths = 2 * params["log_std"]
    rate = 0.5 * (widths.exp() + center.square() - 1 - widths).sum(-1)
    return (distortion + rate).mean()


params = {
    "decoder.weight": 0.3 * torch.randn(6, 2),
    "decoder.bias": x.mean(0),
    "log_noise": torch.zeros(()),
    "encoder.weight": 0.3 * torch.randn(2, 6),
    "encoder.bias": torch.zeros(2),
    "log_std": torch.zeros(2),
}
params = {name: value.requires_grad_() for name, value in params.items()}
optimizer = torch.optim.Adam(params.values(), lr=0.03)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1800)
for _ in range(1800):
    loss = negative_bound(params, x[torch.randint(len(x), (256,))])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
save_file({name: value.detach() for name, value in params.items()}, "w03-vae.safetensors")
weights_file = "w03-vae.safetensors"
# end answer w03-vae

check("w03-vae", weights_file)

# %% [markdown]
# ## 8. Which gap is it?
#
# *explain, 10 points, concept* `vae.elbo`
#
# The bound that a trained autoencoder reaches on held-out data is ten nats worse than you hoped.
# Name the three gaps that can be the reason, what causes each and what would close it. Explain why
# the bound alone does not tell them apart, and describe measurements that do. Say how a loose bound
# changes what the decoder learns, and what you see in the two terms of the loss when a latent
# variable is switched off. About 150 to 250 words.

# %%
# begin answer w03-which-gap: a text
explanation = """
On average over the data, minus the bound is their entropy, plus the divergence of the data from the
model, plus the divergence of q from the posterior. The last part splits in two: what the best law
of q's family still loses, because posteriors are correlated or have several modes, and what the
encoder loses beyond that. A better decoder or prior closes the first gap, a richer family (a flow,
a mixture, importance weights) the second, a larger or longer trained encoder, or steps of
optimisation for each example, the third.

The bound is one number, and only the sum of the three. Optimising q for a fixed example from the
encoder's output on shows the amortisation gap. Importance weighting with many draws, or annealed
importance sampling, estimates log p(x) itself: what it gains over the optimised q is the
approximation gap, and what then remains belongs to the model.

Training raises the bound by either of two roads, a better model or a posterior that q can follow.
So the decoder gives up dependences that would make the posterior complicated, and the optimum
of the bound is not that of the likelihood.

A latent that is switched off has a divergence from the prior near zero for every example: the
encoder returns the prior, and the decoder ignores that coordinate. The rate falls, the distortion
rises by less than the rate would cost, and nothing in their sum looks wrong.
"""
# end answer w03-which-gap

check("w03-which-gap", explanation)
