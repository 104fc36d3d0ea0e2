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
# # Week 1: one conditional at a time
#
# Ten questions, 100 points. A check follows each of them and says at once whether the answer is
# right, and if not, what to look at. Ninety points are checked by machine; the last question is a
# text that you mark yourself. Replace each placeholder by your answer and run the cells from top
# to bottom. Everything works without a network, and the whole assignment needs a few seconds of
# computing. Unless a question says otherwise, logarithms are natural and likelihoods are in nats.

# %%
import math

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from course_utils.grading import check, given

torch.manual_seed(0)
torch.set_num_threads(1)

# %% [markdown]
# ## 1. The chain rule, exactly
#
# *implement, 10 points, concept* `ar.base-class`
#
# Any distribution over sequences of length $T$ is a product of conditionals,
#
# $$p(x) = p(x_0)\, p(x_1 \mid x_0) \cdots p(x_{T-1} \mid x_0, \dots, x_{T-2}).$$
#
# Let every conditional be a table. `scores[i]` has `i + 1` axes of size $V$: the first `i` are the
# symbols so far, oldest first, and the last one is the next symbol. The softmax over the last axis
# is $p(x_i \mid x_0, \dots, x_{i-1})$; `scores[0]` is a single row and holds $p(x_0)$.
#
# A published version of this function starts its loop at the second symbol. Its "exact" likelihood
# then sums to $V$ over all sequences, not to 1. The check sums over all of them.


# %%
def log_prob(scores: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return log p(x) for each sequence, by the chain rule.

    Args:
        scores: T floating tensors; scores[i] has shape (V,) * (i + 1).
        x: Symbols 0 .. V - 1 of shape (batch, T).

    Returns:
        Log-probabilities of shape (batch,), in nats.
    """
    # To do: add up one log-conditional for each position.
    raise NotImplementedError("w01-log-prob is not written yet")


check("w01-log-prob", log_prob)

# %% [markdown]
# ## 2. Counting with smoothing
#
# *implement, 10 points, concept* `ar.ngram`
#
# A context $c$ of $m$ symbols was followed $n(c, v)$ times by the symbol $v$. With a smoothing
# $a \ge 0$ the conditional is
#
# $$p(v \mid c) = \frac{n(c, v) + a}{\sum_{v'} \bigl(n(c, v') + a\bigr)}.$$
#
# Count only whole windows of $m + 1$ symbols, inside one sequence each. If $a = 0$, a context that
# never occurs gets the uniform distribution, which is the limit of $a \to 0$.


# %%
def ngram_table(x: torch.Tensor, num_symbols: int, context: int, smoothing: float) -> torch.Tensor:
    """Return the conditionals p(v | c) of an n-gram model, n = context + 1.

    Args:
        x: Symbols 0 .. V - 1 of shape (batch, length).
        num_symbols: V.
        context: m >= 1, how many symbols the model looks back.
        smoothing: a >= 0, added to every count.

    Returns:
        Probabilities of shape (V,) * (m + 1) and dtype float64: one axis for each symbol of the
        context, oldest first, then the axis of the next symbol, along which they sum to one.
    """
    # To do: count the windows, then smooth and normalise each row.
    raise NotImplementedError("w01-ngram is not written yet")


check("w01-ngram", ngram_table)

# %% [markdown]
# ## 3. The floor of the loss
#
# *compute, 10 points, concept* `ar.markov-chain`
#
# A stationary Markov chain on three symbols has the transition matrix below; row $j$ is the law of
# the next symbol after $j$. No model of whatever kind has an expected loss per symbol below the
# chain's entropy rate. What is this rate, in nats per symbol? A relative error of 0.1 % is allowed.
# Compute it from `transition`; a grader may run your notebook on another chain.

# %%
transition = given("w01-entropy-rate")["transition"]
print(transition)

# To do: a number, in nats per symbol.
entropy_rate = None

check("w01-entropy-rate", entropy_rate)

# %% [markdown]
# ## 4. Nats, bits per dimension, perplexity
#
# *compute, 10 points, concept* `ar.conditional-heads`
#
# The numbers are below. A model gives images of `num_pixels` pixels, each with one of the grey
# levels 0 to `highest_level`, a negative log-likelihood of `nats_per_image` nats on average.
# Another model gives a text of `num_characters` characters from an alphabet of `num_symbols` a
# negative log-likelihood of `nats_per_text` nats in total. Find
#
# - `bits_per_dim`: the first model's bits per dimension,
# - `uniform_bits_per_dim`: what a model that calls all levels equally likely would score,
# - `perplexity`: the second model's perplexity per character.
#
# Compute from `data`; a grader may run your notebook on other numbers.

# %%
data = given("w01-units")
print(data)

# To do: a dict of three numbers, with the names above as keys.
units = None

check("w01-units", units)

# %% [markdown]
# ## 5. Masks for any order
#
# *implement, 10 points, concept* `flow.made`
#
# MADE turns a fully connected network into an autoregressive one by deleting weights. The variable
# `order[k]` comes at step `k`, and the first one has *rank* 1. Each hidden unit has a *degree*
# between 1 and $D - 1$: it may depend on inputs of rank up to its degree. The output for a
# variable of rank $r$ may depend on inputs of rank less than $r$, and every weight that cannot
# break these rules is kept.


# %%
def made_masks(order: torch.Tensor, degrees: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the masks of all layers, from the inputs to the outputs.

    Args:
        order: order[k] is the variable that comes at step k; a permutation of 0 .. D - 1.
        degrees: One whole-number tensor for each hidden layer: the degrees of its units.

    Returns:
        len(degrees) + 1 boolean masks of shape (outputs, inputs) of their layer, true where the
        weight is kept. Inputs and outputs of the network are numbered as the variables are.
    """
    # To do: give the inputs ranks, then compare layer with layer.
    raise NotImplementedError("w01-made-masks is not written yet")


check("w01-made-masks", made_masks)

# %% [markdown]
# ## 6. NADE in O(dH)
#
# *implement, 15 points, concept* `ar.nade`
#
# NADE models $d$ binary variables with one hidden layer that all conditionals share:
#
# $$h_i = \sigma\bigl(c + W_{:, <i}\, x_{<i}\bigr), \qquad
#   p(x_i = 1 \mid x_{<i}) = \sigma\bigl(b_i + V_{i,:}\, h_i\bigr).$$
#
# Written down as it stands this takes $O(d^2 H)$ operations, because the sum over the variables
# before $i$ starts anew for every $i$. It can be done in $O(dH)$. The check counts operations, and
# it also tries weights so large that the logarithm of a sigmoid loses everything.


# %%
def nade_log_prob(
    x: torch.Tensor, W: torch.Tensor, V: torch.Tensor, b: torch.Tensor, c: torch.Tensor
) -> torch.Tensor:
    """Return log p(x) under NADE, with work that grows as d H.

    Args:
        x: Zeros and ones of shape (batch, d), in the dtype of the weights.
        W: Weights into the hidden units, shape (H, d).
        V: Weights out of them, shape (d, H).
        b: Biases of the conditionals, shape (d,).
        c: Biases of the hidden units, shape (H,).

    Returns:
        Log-probabilities of shape (batch,), in nats.
    """
    # To do: carry the hidden pre-activation along from one variable to the next.
    raise NotImplementedError("w01-nade is not written yet")


check("w01-nade", nade_log_prob)

# %% [markdown]
# ## 7. A convolution that does not look ahead
#
# *implement, 10 points, concept* `ar.masked-conv`
#
# A PixelCNN predicts all pixels of an image at once, each from those before it in raster order:
# the rows above, and the pixels to the left in its own row. It is made of convolutions in which
# every weight that would read another pixel is set to zero. The first layer has a mask of kind
# "A", which leaves out the pixel itself. All later layers have kind "B", which keeps it.
#
# As everywhere in deep learning, "convolution" means that tap $[i, j]$ of the kernel reads row $i$
# and column $j$ of the window, without turning the kernel round. Outside the image stand zeros.


# %%
def causal_conv2d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, kind: str
) -> torch.Tensor:
    """Return the convolution of images with a masked kernel.

    Args:
        x: Images of shape (batch, channels, height, width).
        weight: Kernel of shape (outputs, channels, k, k), k odd; it has to stay as it is.
        bias: One number for each output channel, shape (outputs,).
        kind: "A" to leave out the centre of the kernel, "B" to keep it.

    Returns:
        Images of shape (batch, outputs, height, width).
    """
    # To do: make the mask, then convolve with the masked kernel.
    raise NotImplementedError("w01-masked-conv is not written yet")


check("w01-masked-conv", causal_conv2d)

# %% [markdown]
# ## 8. How far they see, and what they miss
#
# *compute, 5 points, concept* `ar.dilated-causal-conv`
#
# Two networks are described below.
#
# - A WaveNet is a stack of causal convolutions of `kernel_size` taps, one for each entry of
#   `dilations`. How many input samples, the present one included, does one output of the stack
#   depend on? Call the number `samples_seen`.
# - A PixelCNN is a plain stack of `num_layers` masked 3 by 3 convolutions, the first of kind "A",
#   the others of kind "B", on images of `image_size` rows and columns. How many of the pixels that
#   come before the one in row `row` and column `column` (both counted from 0) does the prediction
#   of that pixel *not* depend on? Call the number `pixels_missed`.
#
# Compute from `networks`; a grader may run your notebook on other ones.

# %%
networks = given("w01-reach")
print(networks)

# To do: a dict of two numbers, with the names above as keys.
reach = None

check("w01-reach", reach)

# %% [markdown]
# ## 9. Down to the entropy rate
#
# *experiment, 10 points, concept* `ar.neural-lm`
#
# The `tokens`, 500 sequences of 64 symbols, come from a Markov source of order two over six
# symbols. Train the network below on them with **at most 400 optimiser steps of at most 512
# contexts each**. Choose the context (at most 5 symbols), the sizes (at most 20 000 weights), the
# optimiser and its schedule. Save the network's `state_dict()` with `save_file` and let
# `weights_file` be the file's name.
#
# The check does not ask what your loss was. It loads your file, runs the network on every
# possible context, and computes exactly how many nats per symbol it lies above the entropy rate:
# at most 0.02 nats earn all points, at most 0.05 half of them. It cannot see how many steps you
# took; that part is between you and the clock.


# %%
class ContextNetwork(nn.Module):
    """A network that maps the last symbols to scores of the next one."""

    def __init__(self, num_symbols: int, context: int, embed_dim: int, width: int):
        super().__init__()
        self.embedding = nn.Embedding(num_symbols, embed_dim)
        self.hidden = nn.Linear(context * embed_dim, width)
        self.output = nn.Linear(width, num_symbols)

    def forward(self, contexts: torch.Tensor) -> torch.Tensor:
        """Map contexts (batch, context), oldest symbol first, to scores (batch, num_symbols)."""
        return self.output(self.hidden(self.embedding(contexts).flatten(1)).tanh())


# %%
tokens = given("w01-markov")["tokens"]

# To do: train within the budget, save, and give the name of the file.
weights_file = None

check("w01-markov", weights_file)

# %% [markdown]
# ## 10. When does the order matter?
#
# *explain, 10 points, concept* `ar.ordering`
#
# With one unrestricted table per conditional, the maximum likelihood is the same whichever order
# the variables are taken in. With conditionals that look back at one variable only, it is not.
# Why both? Give an example for the second, and say what an order costs in use even when it does
# not change the likelihood. About 100 to 200 words.

# %%
# To do: a text.
explanation = """

"""

check("w01-orderings", explanation)
