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
# # Week 4: latents that are weighed, merged and counted
#
# Nine questions, 100 points. The first two ask what a heavier divergence switches off and how well
# single latents stand for single factors; the third merges two opinions of a latent; the next four
# are about latents that are symbols; and the eighth is the graded part of the checkpoint on
# variational inference. A check follows each question and says at once whether the answer is right,
# and if not, what to look at. Ninety points are checked by machine; the last question is a text
# that you mark yourself. Replace each placeholder by your answer and run the cells from top to
# bottom. Everything works without a network, and the whole assignment needs a few seconds of
# computing. Logarithms are natural and likelihoods are in nats.

# %%
import torch
from safetensors.torch import save_file

from course_utils.grading import check, given

torch.manual_seed(0)
torch.set_num_threads(1)

# %% [markdown]
# ## 1. Which beta, and what it switches off
#
# *compute, 10 points, concept* `vae.beta`
#
# A linear autoencoder with as many latent variables as there are variables is trained with the loss
#
# $$\frac{1}{d} \sum_{i=1}^{d} (x_i - \hat{x}_i)^2 + w\, \mathrm{KL}(q(z \mid x) \Vert p(z)),$$
#
# a *mean* over the $d$ variables, and a sum over the latents in the divergence. Here $\hat{x}$ is
# the decoder's mean for a draw $z \sim q(z \mid x)$, and the loss is averaged over draws. The
# decoder has Gaussian noise of fixed standard deviation $\sigma$. Up to a factor and a constant
# this is the loss of a $\beta$-VAE, $-\mathbb{E}_q \log p(x \mid z) + \beta\, \mathrm{KL}$. Which
# `beta` is it? And how many latents are `active`, that is, tell anything about $x$, at the optimum
# on data with the covariance given? Compute from `case`: `noise` is $\sigma$ and `weight` is $w$. A
# relative error of 0.1 % is allowed for `beta`.

# %%
case = given("w04-active")
print(case)

# To do: a dict with the numbers beta and active.
numbers = None

check("w04-active", numbers)

# %% [markdown]
# ## 2. One latent for one factor
#
# *implement, 10 points, concept* `dis.mig`
#
# Data are made from factors $v_1, \dots, v_K$; a code has latents $z_1, \dots, z_J$, all discrete.
# For each factor, take the two latents with the largest mutual information with it; the gap
# between the two, divided by the entropy of the factor, is 1 if one latent alone holds the factor,
# and 0 if none or two of them do. (A document behind this course, erratum E13, takes the gap
# between *factors* for one latent, and does not notice that a factor is stored twice.) Return the
# gap of each factor. `tables[k, j]` is the joint law of $v_k$ and $z_j$; some of its cells may be
# empty.


# %%
def information_gaps(tables: torch.Tensor) -> torch.Tensor:
    """Return the mutual information gap of each factor.

    Args:
        tables: Joint laws p(v_k, z_j), (factors, latents, states, codes), each with sum 1.

    Returns:
        Gaps (factors,) between 0 and 1.
    """
    # To do: informations of all pairs, the two largest of each factor, its entropy.
    raise NotImplementedError("w04-mig is not written yet")


check("w04-mig", information_gaps)

# %% [markdown]
# ## 3. Two opinions of one latent
#
# *implement, 10 points, concept* `vae.ladder`
#
# In a hierarchical model, what the data say of a latent, $\mathcal{N}(a, u)$, meets what the layer
# above says of it, $\mathcal{N}(b, v)$. The ladder autoencoder takes the product of the two
# densities, normalised, which is Gaussian again. Return its mean and the logarithm of its variance.
# You get logarithms of variances, some of them larger than single precision can exponentiate.


# %%
def merge(
    mean_a: torch.Tensor,
    log_var_a: torch.Tensor,
    mean_b: torch.Tensor,
    log_var_b: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the normalised product of two Gaussian densities, coordinate by coordinate.

    Args:
        mean_a: a, (batch, dim).
        log_var_a: log u, (batch, dim).
        mean_b: b, (batch, dim).
        log_var_b: log v, (batch, dim).

    Returns:
        Mean and log variance of the product, (batch, dim) each.
    """
    # To do: precisions add up, means are weighed by them.
    raise NotImplementedError("w04-merge is not written yet")


check("w04-merge", merge)

# %% [markdown]
# ## 4. Draw by taking a maximum
#
# *implement, 10 points, concept* `vae.gumbel-softmax`
#
# Turn each uniform number $u$ into Gumbel noise $g$ by solving $u = \exp(-\exp(-g))$, add the noise
# to the logits, and take the maximum: that draws from the softmax of the logits. Replace the
# maximum by a softmax at a temperature, and the draw can be differentiated. Return both, made from
# the same noise. The check gets the same draws from a race of exponential clocks.


# %%
def gumbel_draws(
    logits: torch.Tensor, uniform: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return draws from the softmax of logits, and relaxed ones.

    Args:
        logits: (rows, symbols).
        uniform: Independent uniform numbers in (0, 1), (rows, symbols).
        temperature: Above 0.

    Returns:
        Symbols (rows,), whole numbers, and relaxed draws (rows, symbols) with sums of 1.
    """
    # To do: noise, sum, then the largest, then the softmax.
    raise NotImplementedError("w04-gumbel is not written yet")


check("w04-gumbel", gumbel_draws)

# %% [markdown]
# ## 5. Through a step that has no slope
#
# *implement, 15 points, concept* `vae.straight-through`
#
# A vector-quantised autoencoder replaces each vector $z$ by the nearest code $e$. Let the decoder
# be the identity. With $\mathrm{sg}$ for "stop the gradient here", the loss is the sum over all
# vectors of
#
# $$\lVert t - \hat{z} \rVert^2 + \lVert \mathrm{sg}[z] - e \rVert^2
#   + c\, \lVert z - \mathrm{sg}[e] \rVert^2,$$
#
# where $t$ is the target and $\hat{z}$ the code, passed on *straight through*: its value is that of
# $e$, and its gradient goes to $z$ as if nothing had happened, and not to the codebook. Return the
# indices of the codes and the gradients of the loss with respect to $z$ and to the codebook. Some
# vectors lie far from the origin, where the expanded square of a distance loses its digits.


# %%
def quantiser_step(
    z: torch.Tensor, codebook: torch.Tensor, target: torch.Tensor, commitment: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return indices and gradients of one step.

    Args:
        z: Vectors (vectors, dim).
        codebook: Codes (codes, dim).
        target: t, (vectors, dim).
        commitment: The weight c.

    Returns:
        Indices (vectors,), the gradient by z (vectors, dim), and by the codebook (codes, dim).
    """
    # To do: nearest codes, the loss with gradients stopped, autograd.
    raise NotImplementedError("w04-straight-through is not written yet")


check("w04-straight-through", quantiser_step)

# %% [markdown]
# ## 6. A codebook that follows its vectors
#
# *implement, 10 points, concept* `vae.ema-codebook`
#
# Instead of a gradient, a codebook can follow moving averages. With decay $\gamma$, every code $k$
# keeps a count and a sum,
#
# $$N_k \leftarrow \gamma N_k + (1 - \gamma) n_k, \qquad
#   M_k \leftarrow \gamma M_k + (1 - \gamma) \sum_{i: k_i = k} z_i, \qquad
#   e_k \leftarrow M_k / N_k,$$
#
# where $k_i$ is the code nearest to $z_i$ before the step, and $n_k$ the number of vectors that
# code $k$ got. With $\gamma = 0$ this is one step of k-means. A code whose count is 0 stays where
# it is.


# %%
def ema_update(
    codebook: torch.Tensor,
    counts: torch.Tensor,
    sums: torch.Tensor,
    z: torch.Tensor,
    decay: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return codebook, counts and sums after one step.

    Args:
        codebook: e, (codes, dim).
        counts: N, (codes,).
        sums: M, (codes, dim).
        z: Vectors (vectors, dim).
        decay: gamma, at least 0 and below 1.

    Returns:
        The new codebook (codes, dim), counts (codes,) and sums (codes, dim).
    """
    # To do: assign, count, average, divide where there is something to divide by.
    raise NotImplementedError("w04-ema is not written yet")


check("w04-ema", ema_update)

# %% [markdown]
# ## 7. Eight codes for a known source
#
# *experiment, 10 points, concept* `vae.vq`
#
# The 4000 `samples`, numbers on the line, come from a mixture of three clusters. Find a codebook of
# eight numbers whose mean squared distance to the source is as small as possible, in **at most
# 1000 passes over the samples**. Save it as a tensor `codebook` of shape (8,) with `save_file`,
# and let `codebook_file` be the file's name.
#
# The check integrates the distortion over the source's density, and compares it with that of the
# best codebook of eight: at most 2 % more earn all points, at most 10 % half of them. Codes that
# start in the wrong cluster stay there, and codes that start far from everything never move.

# %%
samples = given("w04-codebook")["samples"]


# To do: fit within the budget, save, and give the name of the file.
codebook_file = None

check("w04-codebook", codebook_file)

# %% [markdown]
# ## 8. The checkpoint: a bound and its gradient
#
# *implement, 15 points, concept* `ped.theory-checkpoint-4`
#
# Do this one without looking anything up. The model is $z \sim \mathcal{N}(0, I)$,
# $x \mid z \sim \mathcal{N}(W z + b, \sigma^2 I)$, and $q = \mathcal{N}(m, \mathrm{diag}\, s^2)$.
# For a single $x$, return $\log p(x)$, the ELBO, and the gap between the two, in closed form; then
# the reparameterised estimate of the *gradient of the ELBO* with respect to $m$ and to $\log s$,
# from the noise `eps` that is given.
#
# The noise is special: its mean is exactly zero and its second moments are exactly those of a
# standard normal law. In this model a correct estimate then has no error at all, and the check asks
# for the exact gradient, to $10^{-6}$.


# %%
def bound_and_gradient(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    noise: float,
    mean: torch.Tensor,
    log_std: torch.Tensor,
    eps: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Return log p(x) = ELBO + gap, and the reparameterised gradient of the ELBO.

    Args:
        x: One example (dim,).
        weight: W, (dim, latent).
        bias: b, (dim,).
        noise: The standard deviation sigma.
        mean: m, (latent,).
        log_std: log s, (latent,).
        eps: Noise (draws, latent).

    Returns:
        log p(x) (), the ELBO (), the gap (), the gradients by mean (latent,) and log_std (latent,).
    """
    # To do: marginal, posterior, KL; then draws that gradients flow through.
    raise NotImplementedError("w04-checkpoint is not written yet")


check("w04-checkpoint", bound_and_gradient)

# %% [markdown]
# ## 9. Numbers or symbols?
#
# *explain, 10 points, concept* `vae.discrete-vs-continuous`
#
# Compare an autoencoder with Gaussian latents and one with a codebook. What does each store about
# an example, in nats, and what does it lose? How does each get a gradient past its latents? How
# does each fail in training, and what helps? And what has to be added before each can draw new
# samples? Then choose one of the two for a purpose of your own, with a reason. About 150 to 250
# words.

# %%
# To do: a text.
explanation = """

"""

check("w04-latents", explanation)
