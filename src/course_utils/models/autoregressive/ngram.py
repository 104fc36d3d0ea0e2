r"""The n-gram model [shannon1948mathematical]: a row of counts for every context of few symbols.

A table with a row per context c = (x_{t-m}, ..., x_{t-1}) and a column per next symbol holds how
often each was seen. Its maximum-likelihood conditionals are the ratios

    p(v | c) = (n(c, v) + a) / (n(c) + a V),      a = 0,

and a > 0 (add-a smoothing) keeps every probability positive. A sequence starts with m copies of
a start symbol, so the first symbols have conditionals too and the model is a distribution over
sequences of each length. An n-gram has m = n - 1; m = 1 is the bigram, a Markov chain.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel


def context_windows(
    x: Int[Tensor, "batch length"], context: int, start: int
) -> Int[Tensor, "batch length context"]:
    """Return the ``context`` symbols before each position, oldest first, ``start`` beyond the edge.

    Args:
        x: Symbols (batch, length).
        context: m >= 1, how many symbols to look back.
        start: The symbol that stands before the sequence.
    """
    padded = functional.pad(x[:, :-1], (context, 0), value=start)
    return padded.unfold(1, context, 1)


class NGram(AutoregressiveModel):
    """p(x_t | x_{t-m} .. x_{t-1}) from a table of counts; only contexts that were seen are stored.

    Args:
        num_symbols: V, the size of the alphabet.
        context: m >= 0, how many symbols the conditional looks back (n = m + 1).
        smoothing: a >= 0, the count added to every cell. With a = 0 a context that was never
            seen gets the uniform distribution, the limit of a -> 0.
        length: How many symbols ``sample`` draws unless told otherwise.

    Raises:
        ArgumentError: A size or ``smoothing`` is out of range, or (V + 1)^m exceeds 2^62.

    Accuracy:
        Exact for its own distribution; the counts are the maximum-likelihood estimate if a = 0.

    Source:
        [shannon1948mathematical]; add-a smoothing as in [jurafsky2009speech].
    """

    any_length = True
    codes: Tensor
    counts: Tensor

    def __init__(self, num_symbols: int, context: int, smoothing: float = 0.0, *, length: int = 32):
        super().__init__(length, CategoricalHead(check_int("num_symbols", num_symbols, low=2)))
        self.num_symbols = num_symbols
        self.context = check_int("context", context, low=0)
        self.smoothing = check_number("smoothing", smoothing, low=0)
        if (num_symbols + 1) ** context > 2**62:
            raise ArgumentError(
                f"context: expected (num_symbols + 1)^context <= 2^62, got {context} "
                f"for {num_symbols} symbols"
            )
        self.register_buffer("codes", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(1, num_symbols))

    def fit_counts(self, tokens: Int[Tensor, "*batch length"]) -> "NGram":
        """Count n(c, v) over sequences and make these the model's table.

        Args:
            tokens: Symbols 0 .. V - 1; (batch, length), or (length,) for one running text.

        Returns:
            The model itself.

        Raises:
            ArgumentError: ``tokens`` is empty, on another device, or has a symbol outside the
                alphabet.
        """
        check_tensor(
            "tokens",
            tokens,
            dtype="integer",
            device=self.order.device,
            low=0,
            high=self.num_symbols - 1,
        )
        rows = tokens.reshape(-1, tokens.shape[-1])
        codes, row = self._codes(rows).flatten().unique(return_inverse=True)
        cells = torch.bincount(
            row * self.num_symbols + rows.flatten(), minlength=len(codes) * self.num_symbols
        )
        self.codes = codes
        self.counts = cells.reshape(len(codes), self.num_symbols).to(self.counts.dtype)
        return self

    def probabilities(self, contexts: Int[Tensor, "rows context"]) -> Float[Tensor, "rows symbols"]:
        """Return p(. | c) for each context c (oldest symbol first; V is the start symbol)."""
        return self._rows(self._pack(contexts)).exp()

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length symbols"]:
        """Return log p(. | the last m symbols) at every position, the categorical's logits."""
        return self._rows(self._codes(x))

    def _codes(self, x: Tensor) -> Tensor:
        if self.context == 0:
            return torch.zeros_like(x)
        return self._pack(context_windows(x, self.context, self.num_symbols))

    def _pack(self, contexts: Tensor) -> Tensor:
        """Number a context: read its symbols as digits to the base V + 1."""
        powers = torch.arange(self.context - 1, -1, -1, device=contexts.device)
        return (contexts * (self.num_symbols + 1) ** powers).sum(-1)

    def _rows(self, codes: Tensor) -> Tensor:
        place = torch.searchsorted(self.codes, codes).clamp(max=len(self.codes) - 1)
        seen = (self.codes[place] == codes)[..., None]
        cells = torch.where(seen, self.counts[place], 0.0) + self.smoothing
        total = cells.sum(-1, keepdim=True)
        uniform = torch.ones_like(cells) / self.num_symbols
        return torch.where(total > 0, cells / total, uniform).log()
