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
# # Week 2: attention, and what to say with it
#
# Eight questions, 100 points. The first four build a small Transformer and take it apart; the
# other four decide what to do with the probabilities it gives. A check follows each question and
# says at once whether the answer is right, and if not, what to look at. Ninety points are checked
# by machine; the last question is a text that you mark yourself. Replace each placeholder by your
# answer and run the cells from top to bottom. Everything works without a network, and the whole
# assignment needs well under a minute of computing. Logarithms are natural and likelihoods are in
# nats.

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
# ## 1. Causal attention
#
# *implement, 15 points, concept* `ar.causal-mask`
#
# Query $i$ looks at the keys of the positions $j \le i$, its own included, and returns a weighted
# mean of their values:
#
# $$o_i = \sum_{j \le i} w_{ij} v_j, \qquad
#   w_{ij} = \frac{\exp(q_i \cdot k_j / \sqrt{d})}{\sum_{l \le i} \exp(q_i \cdot k_l / \sqrt{d})},$$
#
# where $d$ is the size of a query. A published mask multiplies $-\infty$ by a matrix of zeros and
# ones and gives NaN. The check compares with sums written out query by query, and also tries
# scores in the thousands. Do not call `scaled_dot_product_attention`; build it.


# %%
def causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return the output of every query.

    Args:
        q: Queries (batch, heads, length, d).
        k: Keys (batch, heads, length, d).
        v: Values (batch, heads, length, e); e may differ from d.

    Returns:
        Outputs (batch, heads, length, e).
    """
    # To do: scores, mask, softmax over the keys, weighted mean.
    raise NotImplementedError("w02-attention is not written yet")


check("w02-attention", causal_attention)

# %% [markdown]
# ## 2. What a Transformer is made of
#
# *compute, 10 points, concept* `ar.transformer-block`
#
# A model of the GPT kind has these parts, and every map has a bias unless something else is said:
#
# - a table with a vector of size `width` for each of `num_symbols` symbols, and another one with a
#   vector for each of `context` positions;
# - `num_blocks` blocks, each with attention (maps for queries, keys and values and one that mixes
#   the heads, all from `width` to `width`, shared out among `num_heads` heads), a feed-forward
#   part (`width` to `hidden` and back), and two layer norms, each with a scale and a shift;
# - a last layer norm, and an output map that is the table of symbols again, without a bias.
#
# How many parameters have the `attention` of one block, its `feed_forward` part, a whole `block`,
# and the `model`? Compute from `sizes`; a grader may run your notebook on others.

# %%
sizes = given("w02-parameters")
print(sizes)

# To do: a dict of four whole numbers, with the names above as keys.
parameters = None

check("w02-parameters", parameters)

# %% [markdown]
# ## 3. One step with a cache
#
# *implement, 15 points, concept* `ar.kv-cache`
#
# When a text is drawn symbol by symbol, the keys and values of earlier tokens stay what they are,
# so they are kept and only those of the new token are computed. Write one step of one head without
# biases: a token $x$ has the query $x W_q$, the key $x W_k$ and the value $x W_v$. Add the new key
# and value at the end of the cache, then let the query look at all of it; as in question 1, scores
# are divided by $\sqrt{d}$. The check compares with attention over the whole sequence, for one
# step, for the first one, and for six in a row.


# %%
def cached_step(
    x: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    w_query: torch.Tensor,
    w_key: torch.Tensor,
    w_value: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the output of a new token, and the cache with that token in it.

    Args:
        x: The new token of each sequence, (batch, d).
        keys: Keys of the tokens so far, (batch, t, d); t may be 0.
        values: Their values, (batch, t, d).
        w_query: (d, d).
        w_key: (d, d).
        w_value: (d, d).

    Returns:
        The output (batch, d), the keys (batch, t + 1, d) and the values (batch, t + 1, d).
    """
    # To do: extend the cache first, then attend with one query.
    raise NotImplementedError("w02-kv-cache is not written yet")


check("w02-kv-cache", cached_step)

# %% [markdown]
# ## 4. Down to the entropy, with attention
#
# *experiment, 15 points, concept* `ar.gpt`
#
# The `tokens`, 4000 texts of six symbols, come from a Markov source of order two over four
# symbols. Train the network below on them with **at most 600 optimiser steps of at most 256 texts
# each**. It uses your `causal_attention`, with one head. Choose the sizes (at most 20 000
# weights), the optimiser and its schedule. Save the network's `state_dict()` with `save_file` and
# let `weights_file` be the file's name.
#
# The check runs the network on every possible text and computes exactly how many nats per symbol
# its loss lies above the entropy of the source: at most 0.02 earn all points, at most 0.05 half of
# them. It always runs it with a mask. A network trained without one has a wonderful training loss
# and fails.


# %%
class TinyTransformer(nn.Module):
    """One block with one head; maps texts to the scores of each of their symbols."""

    def __init__(self, num_symbols: int, length: int, width: int, hidden: int):
        super().__init__()
        self.start = num_symbols
        self.symbols = nn.Embedding(num_symbols + 1, width)
        self.positions = nn.Embedding(length, width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.logits = nn.Linear(width, num_symbols)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map texts (batch, length) to scores (batch, length, num_symbols)."""
        seen = torch.cat([torch.full_like(x[:, :1], self.start), x[:, :-1]], dim=1)
        h = self.symbols(seen) + self.positions.weight
        q, k, v = (layer(h)[:, None] for layer in (self.query, self.key, self.value))
        h = h + self.mix(causal_attention(q, k, v)[:, 0])
        h = h + self.down(self.up(h).relu())
        return self.logits(h)


# %%
tokens = given("w02-transformer")["tokens"]


# To do: train within the budget, save, and give the name of the file.
weights_file = None

check("w02-transformer", weights_file)

# %% [markdown]
# ## 5. The nucleus
#
# *implement, 15 points, concept* `ar.nucleus`
#
# Nucleus sampling keeps the smallest set of symbols whose probabilities sum to at least $p$, and
# draws from them in proportion to their probabilities. Return the resulting probabilities. The
# check finds the smallest set by trying all subsets. Some rows have a symbol that alone reaches
# $p$; some logits are in the hundreds; and for $p = 1$ nothing is cut.


# %%
def nucleus(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Return the probabilities of nucleus sampling.

    Args:
        logits: (rows, num_symbols), floating.
        p: In (0, 1].

    Returns:
        Probabilities (rows, num_symbols), zero outside the nucleus, each row with sum 1.
    """
    # To do: find the smallest set of each row, cut, renormalise.
    raise NotImplementedError("w02-nucleus is not written yet")


check("w02-nucleus", nucleus)

# %% [markdown]
# ## 6. Greedy is not the best
#
# *compute, 10 points, concept* `ar.greedy`
#
# A law of three symbols in a row is given by its conditionals: `first[a]` is $p(x_1 = a)$,
# `second[a, b]` is $p(x_2 = b \mid x_1 = a)$, and `third[a, b, c]` is
# $p(x_3 = c \mid x_1 = a, x_2 = b)$. What is the probability of the sequence that greedy decoding
# finds (`greedy`), and what is that of the most probable sequence of all (`best`)? A relative
# error of 0.1 % is allowed. Compute from `tables`.

# %%
tables = given("w02-greedy")
print(tables)

# To do: a dict of two probabilities, with the keys greedy and best.
probabilities = None

check("w02-greedy", probabilities)

# %% [markdown]
# ## 7. Two meanings of temperature
#
# *compute, 10 points, concept* `ar.temperature`
#
# A law of pairs is given by `first[a]`, which is $p(x_1 = a)$, and `second[a, b]`, which is
# $p(x_2 = b \mid x_1 = a)$. A decoder divides the logits of each symbol by the `temperature` $T$.
# Another reading of temperature is the law proportional to $p(x_1, x_2)^{1/T}$. What is the total
# variation between the two laws of pairs, half the sum of the absolute differences? A relative
# error of 0.1 % is allowed.

# %%
pairs = given("w02-tempered")
print(pairs)

# To do: a number between 0 and 1.
distance = None

check("w02-tempered", distance)

# %% [markdown]
# ## 8. Which decoder for what?
#
# *explain, 10 points, concept* `app.text-domains`
#
# A model of text is good but not perfect. Explain when cutting off the tail of its next-symbol
# distribution makes its texts better and when it does not; why searching for the most probable
# text can make them worse; and what a decoder that masks everything a grammar forbids does and does
# not achieve. Then choose a decoder for one purpose with many good answers and for one with a
# single right one, with a reason. About 150 to 250 words.

# %%
# To do: a text.
explanation = """

"""

check("w02-decoders", explanation)
