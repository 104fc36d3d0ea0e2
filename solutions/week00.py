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
# # Week 0: the foundations, written by hand
#
# Nine questions, 100 points. The first two are about mixtures, the third differentiates a network,
# the fourth takes a step of a Markov chain. Then come three computations that can be done exactly,
# by a list of all cases or by a formula, and a fit that has to come close to a law that the check
# knows. A check follows each question and says at once whether the answer is right, and if not,
# what to look at. Ninety points are checked by machine; the last question is a text that you mark
# yourself. Replace each placeholder by your answer and run the cells from top to bottom. Everything
# works without a network, and the whole assignment needs a few seconds of computing. Logarithms are
# natural and information is in nats.

# %%
import itertools
import math

import torch
from safetensors.torch import save_file

from course_utils.grading import check, given

torch.manual_seed(0)
torch.set_num_threads(1)

# %% [markdown]
# ## 1. The density of a mixture
#
# *implement, 10 points, concept* `found.gmm`
#
# A mixture of normal laws on the line has the density
#
# $$p(x) = \sum_k w_k\, \mathcal{N}(x; m_k, s_k^2).$$
#
# Return $\log p(x)$ of each point. Far away from all components every term is smaller than the
# smallest positive number a computer knows, and the logarithm of their sum is still a moderate
# number; the check goes there. Do not call `torch.distributions`.


# %%
def mixture_log_density(
    x: torch.Tensor, weights: torch.Tensor, means: torch.Tensor, stds: torch.Tensor
) -> torch.Tensor:
    """Return log p(x) of each point in nats.

    Args:
        x: Points (points,).
        weights: w, positive, of sum one, (components,).
        means: m, (components,).
        stds: s, standard deviations, (components,).

    Returns:
        Log densities (points,).
    """
    # begin answer w00-mixture: the log of each term, then log-sum-exp over the components
    standard = (x[:, None] - means) / stds
    log_terms = weights.log() - 0.5 * standard.square() - stds.log() - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_terms, dim=1)
    # end answer w00-mixture


check("w00-mixture", mixture_log_density)

# %% [markdown]
# ## 2. One step of expectation-maximisation
#
# *implement, 15 points, concept* `found.em`
#
# The step first shares every example out among the components, $r_{ik} = p(k \mid x_i)$ by Bayes'
# rule, and then fits each component to its shares: the new weight is the mean share, the new mean
# the mean of the examples weighed by the shares, the new variance the weighted mean of the squared
# deviations *from the new mean*. Return weights, means and standard deviations. Some examples are
# as far out as in question 1.


# %%
def em_step(
    x: torch.Tensor, weights: torch.Tensor, means: torch.Tensor, stds: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the next weights, means and standard deviations.

    Args:
        x: Examples (examples,).
        weights: w, (components,).
        means: m, (components,).
        stds: s, (components,).

    Returns:
        New weights, means and standard deviations, each (components,).
    """
    # begin answer w00-em: shares by a softmax over components, then weighted moments
    standard = (x[:, None] - means) / stds
    shares = torch.softmax(weights.log() - 0.5 * standard.square() - stds.log(), dim=1)
    counts = shares.sum(0)
    new_means = (shares * x[:, None]).sum(0) / counts
    variances = (shares * (x[:, None] - new_means).square()).sum(0) / counts
    return counts / len(x), new_means, variances.sqrt()
    # end answer w00-em


check("w00-em", em_step)

# %% [markdown]
# ## 3. A pass back
#
# *implement, 15 points, concept* `nn.backprop`
#
# A network with one hidden layer computes $h = \tanh(W_1 x + b_1)$ and $y = W_2 h + b_2$. The loss
# is $\frac{1}{n} \sum_i \frac{1}{2} \lVert y_i - t_i \rVert^2$ over a batch of $n$ examples. Return
# its derivatives with respect to $W_1$, $b_1$, $W_2$ and $b_2$. Write the chain rule yourself,
# without autograd. The check takes a small step in the imaginary direction, which gives derivatives
# to all digits.


# %%
def gradients(
    x: torch.Tensor,
    target: torch.Tensor,
    w1: torch.Tensor,
    b1: torch.Tensor,
    w2: torch.Tensor,
    b2: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the derivatives of the loss.

    Args:
        x: Inputs (batch, inputs).
        target: t, (batch, outputs).
        w1: First weights (hidden, inputs).
        b1: First biases (hidden,).
        w2: Second weights (outputs, hidden).
        b2: Second biases (outputs,).

    Returns:
        Derivatives with respect to w1, b1, w2 and b2, shaped like them.
    """
    # begin answer w00-backward: forward, the error at the output, then one layer back
    h = torch.tanh(x @ w1.T + b1)
    by_y = (h @ w2.T + b2 - target) / len(x)
    by_a = (by_y @ w2) * (1 - h.square())
    return by_a.T @ x, by_a.sum(0), by_y.T @ h, by_y.sum(0)
    # end answer w00-backward


check("w00-backward", gradients)

# %% [markdown]
# ## 4. Accept or stay
#
# *implement, 15 points, concept* `mcmc.metropolis-hastings`
#
# A law on states $0, 1, \dots$ is known up to a factor, $p_i \propto e^{\ell_i}$. To a chain in
# state $i$ the state $j$ is proposed, drawn with probability $q_{ij}$. The step of Metropolis and
# Hastings goes there with probability $\min(1, \frac{p_j q_{ji}}{p_i q_{ij}})$, and else stays. You
# get a number $u$, uniform on $[0, 1)$: go if $u$ is smaller than that probability. Do this for
# many chains at once. Some $\ell$ are so large that $e^\ell$ is infinite, others so small that it
# is zero.


# %%
def metropolis_hastings(
    log_weights: torch.Tensor,
    proposal: torch.Tensor,
    states: torch.Tensor,
    proposed: torch.Tensor,
    uniforms: torch.Tensor,
) -> torch.Tensor:
    """Return where each chain stands after the step.

    Args:
        log_weights: l, (states,).
        proposal: q, row i holds the law of the proposal in state i, (states, states).
        states: Where the chains are, whole numbers (chains,).
        proposed: Where they were asked to go, whole numbers (chains,).
        uniforms: u, (chains,).

    Returns:
        Whole numbers (chains,).
    """
    # begin answer w00-metropolis: the logarithm of the ratio, compared with log u
    log_ratio = log_weights[proposed] - log_weights[states]
    log_ratio = log_ratio + proposal[proposed, states].log() - proposal[states, proposed].log()
    return torch.where(uniforms.log() < log_ratio, proposed, states)
    # end answer w00-metropolis


check("w00-metropolis", metropolis_hastings)

# %% [markdown]
# ## 5. A variance that is too small
#
# *compute, 5 points, concept* `found.gaussian-heights`
#
# A number takes the `values` with the `probabilities`. It is drawn `num_draws` times independently,
# and one computes $\frac{1}{n} \sum_i (x_i - \bar x)^2$ with the mean $\bar x$ of these $n$ draws.
# What is the expectation of this (`expected`)? By which `factor` must it be multiplied to be the
# variance of the law on average? List all samples, or find the formula. A relative error of 0.1 %
# is allowed.

# %%
case = given("w00-variance")
print(case)

# begin answer w00-variance: a dict of two numbers, expected and factor
pairs = list(zip(case["values"], case["probabilities"], strict=True))
center = sum(p * v for v, p in pairs)
variance = sum(p * (v - center) ** 2 for v, p in pairs)
expected = 0.0
for sample in itertools.product(pairs, repeat=case["num_draws"]):
    drawn = torch.tensor([value for value, _ in sample], dtype=torch.float64)
    expected += math.prod(p for _, p in sample) * float(drawn.var(correction=0))
variances = {"expected": expected, "factor": variance / expected}
# end answer w00-variance

check("w00-variance", variances)

# %% [markdown]
# ## 6. Two divergences
#
# *compute, 10 points, concept* `div.forward-reverse-kl`
#
# Two normal laws in the plane, $p$ and $q$, have correlated coordinates. How large are
# $\mathrm{KL}(p \Vert q)$ (`forward`) and $\mathrm{KL}(q \Vert p)$ (`reverse`), in nats? A relative
# error of 0.1 % is allowed.

# %%
laws = given("w00-kl")
print(laws)


# begin answer w00-kl: a dict of two numbers of nats, forward and reverse
def kl(one: str, other: str) -> float:
    """Trace, means, dimension, determinants."""
    cov, other_cov = laws[f"covariance_{one}"], laws[f"covariance_{other}"]
    precision = torch.linalg.inv(other_cov)
    moved = laws[f"mean_{other}"] - laws[f"mean_{one}"]
    quadratic = (precision @ cov).trace() + moved @ precision @ moved
    return 0.5 * float(quadratic - 2 + torch.logdet(other_cov) - torch.logdet(cov))


divergences = {"forward": kl("p", "q"), "reverse": kl("q", "p")}
# end answer w00-kl

check("w00-kl", divergences)

# %% [markdown]
# ## 7. Why is the lawn wet?
#
# *compute, 10 points, concept* `pgm.three-views`
#
# Clouds ($C$) make rain ($R$) likelier and the sprinkler ($S$) less likely; rain and sprinkler make
# the lawn wet ($W$). All four are true (1) or false (0). `cloudy` is $p(C = 1)$, `sprinkler[c]` is
# $p(S = 1 \mid C = c)$, `rain[c]` is $p(R = 1 \mid C = c)$ and `wet[s][r]` is
# $p(W = 1 \mid S = s, R = r)$. Compute $p(R = 1 \mid W = 1)$ (`rain_given_wet`) and
# $p(R = 1 \mid W = 1, S = 1)$ (`rain_given_both`), to 0.1 %. Then say which of these statements
# hold, in this order, as a list of `True` and `False` (`independent`): $S$ and $R$ are independent
# given $C$; given $C$ and $W$; given nothing; $C$ and $W$ are independent given $S$ and $R$.

# %%
tables = given("w00-network")
print(tables)


# begin answer w00-network: a dict of two numbers and a list of four truth values
def chance(probability: float, state: int) -> float:
    """Probability of a state of a binary variable."""
    return probability if state else 1 - probability


def joint(c: int, s: int, r: int, w: int) -> float:
    """The product of the four tables."""
    return (
        chance(tables["cloudy"], c)
        * chance(tables["sprinkler"][c], s)
        * chance(tables["rain"][c], r)
        * chance(tables["wet"][s][r], w)
    )


def mass(**seen: int) -> float:
    """Probability of what is seen, summed over the rest."""
    states = itertools.product((0, 1), repeat=4)
    named = (dict(zip("csrw", state, strict=True)) for state in states)
    return sum(joint(**state) for state in named if seen.items() <= state.items())


lawn = {
    "rain_given_wet": mass(r=1, w=1) / mass(w=1),
    "rain_given_both": mass(r=1, w=1, s=1) / mass(w=1, s=1),
    "independent": [True, False, False, True],
}
# end answer w00-network

check("w00-network", lawn)

# %% [markdown]
# ## 8. Three clouds
#
# *experiment, 10 points, concept* `found.em`
#
# The 3000 points `x` come from a mixture of three normal laws in the plane, each with a covariance
# matrix of its own. Fit such a mixture (20 seconds of computing are plenty) and save it with
# `save_file`, as tensors `weights` (3,), `means` (3, 2) and `covariances` (3, 2, 2). Let
# `mixture_file` be the file's name. The check knows the source and integrates its divergence from
# your fit: at most 0.01 nats earn all points, at most 0.04 half of them. Components that start
# equal stay equal, and some starts lead to a poor optimum, so try several and keep the one with the
# largest likelihood.

# %%
x = given("w00-fit")["x"]


# begin answer w00-fit: EM from several starts, save the best, give the name of the file
def log_terms(x: torch.Tensor, fit: dict[str, torch.Tensor]) -> torch.Tensor:
    """log w_k N(x; m_k, S_k) of each point and component."""
    roots = torch.linalg.cholesky(fit["covariances"])
    away = torch.linalg.solve_triangular(roots, (x[:, None] - fit["means"])[..., None], upper=False)
    squares = away.square().sum((-1, -2))
    log_dets = 2 * roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return fit["weights"].log() - 0.5 * (squares + log_dets) - math.log(2 * math.pi)


def fit_from(start: torch.Tensor, steps: int = 60) -> dict[str, torch.Tensor]:
    """EM with the given means and the covariance of all points as a start."""
    fit = {
        "weights": torch.full((3,), 1 / 3),
        "means": start,
        "covariances": torch.cov(x.T).expand(3, 2, 2),
    }
    for _ in range(steps):
        shares = log_terms(x, fit).softmax(1)
        counts = shares.sum(0)
        means = shares.T @ x / counts[:, None]
        away = x[:, None] - means
        squares = torch.einsum("nk,nki,nkj->kij", shares, away, away)
        fit = {
            "weights": counts / len(x),
            "means": means,
            "covariances": squares / counts[:, None, None],
        }
    return fit


starts = [x[torch.randperm(len(x))[:3]] for _ in range(8)]
fits = [fit_from(start) for start in starts]
best = max(fits, key=lambda fit: float(log_terms(x, fit).logsumexp(1).mean()))
save_file({name: value.contiguous() for name, value in best.items()}, "w00-fit.safetensors")
mixture_file = "w00-fit.safetensors"
# end answer w00-fit

check("w00-fit", mixture_file)

# %% [markdown]
# ## 9. Structure or capacity?
#
# *explain, 10 points, concept* `found.structure-capacity`
#
# A colleague models tables of twenty binary variables and says: "A model with fewer assumptions can
# represent more, so it is always the better model." Explain what a model with independent variables
# cannot represent and how much it loses, what assumptions buy nevertheless, give an assumption that
# holds and one that does not with what follows from each, and say how you would decide with data.
# About 150 to 250 words.

# %%
# begin answer w00-structure: a text
explanation = """
With independent variables the model is a product of marginals. It cannot represent any dependence,
and the best such product loses exactly the total correlation: the sum of the entropies of the
variables less their joint entropy. A full table, or a product of conditionals of every variable
given all earlier ones, loses nothing.

But the table has 2^20 - 1 numbers. Each is learned from the examples that fall into its cell, and
most cells see none. Even where examples abound, a fit is expected to lose about the number of free
parameters over twice the number of examples. An assumption removes parameters. If it holds, nothing
is lost and far fewer examples are needed: for a Markov chain two numbers a variable suffice. If it
does not hold, a loss stays that no amount of data removes: the mutual information between a
variable and what it was forbidden to see, given what it may see.

An assumption that holds: pixels far apart are nearly independent given those between them, so a
local model learns fast. One that does not: in text, a bracket closes one that was opened long ago,
and a model of the last three symbols never learns which.

I would fit both on parts of the data of several sizes and compare the loss on held-out data. While
the restricted model wins, its assumption pays; where the curves cross, there are data enough to do
without it.
"""
# end answer w00-structure

check("w00-structure", explanation)
