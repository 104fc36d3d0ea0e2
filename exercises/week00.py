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
    # To do: the log of each term, then log-sum-exp over the components.
    raise NotImplementedError("w00-mixture is not written yet")


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
    # To do: shares by a softmax over components, then weighted moments.
    raise NotImplementedError("w00-em is not written yet")


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
    # To do: forward, the error at the output, then one layer back.
    raise NotImplementedError("w00-backward is not written yet")


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
    # To do: the logarithm of the ratio, compared with log u.
    raise NotImplementedError("w00-metropolis is not written yet")


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

# To do: a dict of two numbers, expected and factor.
variances = None

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


# To do: a dict of two numbers of nats, forward and reverse.
divergences = None

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


# To do: a dict of two numbers and a list of four truth values.
lawn = None

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


# To do: EM from several starts, save the best, give the name of the file.
mixture_file = None

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
# To do: a text.
explanation = """

"""

check("w00-structure", explanation)
