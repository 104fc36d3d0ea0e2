r"""The neural probabilistic language model [bengio2003neural].

An n-gram table has a row per context, so what it learns about one context tells it nothing about
another. Here every symbol has a vector C(v), a context is the concatenation e of the vectors of
its last m symbols, and one network turns any context into logits:

    logits = b + W e + U tanh(d + H e),      e = (C(x_{t-m}), ..., C(x_{t-1}))

Contexts with similar vectors get similar predictions, including contexts never seen.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import check_int
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.models.autoregressive.ngram import context_windows


class NeuralLM(AutoregressiveModel):
    """p(x_t | x_{t-m} .. x_{t-1}) by a network over learned vectors of the symbols.

    Args:
        num_symbols: V, the size of the alphabet.
        context: m >= 1, how many symbols the network looks back.
        embed_dim: Size of a symbol's vector.
        hidden: Number of tanh units.
        length: How many symbols ``sample`` draws unless told otherwise.

    Raises:
        ArgumentError: A size is not a positive whole number.

    Accuracy:
        Exact for its own distribution.

    Source:
        [bengio2003neural], with the direct connection W and a start symbol before the text.
    """

    any_length = True

    def __init__(
        self,
        num_symbols: int,
        context: int,
        embed_dim: int = 16,
        hidden: int = 64,
        *,
        length: int = 32,
    ):
        super().__init__(length, CategoricalHead(check_int("num_symbols", num_symbols, low=2)))
        self.num_symbols = num_symbols
        self.context = check_int("context", context, low=1)
        check_int("embed_dim", embed_dim, low=1)
        check_int("hidden", hidden, low=1)
        self.embedding = nn.Embedding(num_symbols + 1, embed_dim)
        self.into_hidden = nn.Linear(context * embed_dim, hidden)
        self.out_of_hidden = nn.Linear(hidden, num_symbols, bias=False)
        self.direct = nn.Linear(context * embed_dim, num_symbols)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length symbols"]:
        """Return the logits of every next symbol."""
        windows = context_windows(x, self.context, self.num_symbols)
        vectors = self.embedding(windows).flatten(-2)
        return self.direct(vectors) + self.out_of_hidden(torch.tanh(self.into_hidden(vectors)))
