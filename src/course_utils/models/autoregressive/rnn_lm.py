r"""The recurrent language model [mikolov2010recurrent]: the whole past in a state of fixed size.

    h_t = F(C(x_{t-1}), h_{t-1}),      logits_t = b + W h_t,      x_0 = a start symbol

The state that predicts x_t has read x_1 .. x_{t-1} and not x_t: the inputs are the sequence shifted
by one. No context length is fixed, the parameters do not grow with the length, and one more symbol
costs one more step of F, in scoring as in sampling.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_choice, check_int
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.nets.recurrent import LSTM, RNN, State

KINDS = ("rnn", "lstm")
"""The two recurrences: Elman's, and one with gates."""


class RecurrentLM(AutoregressiveModel):
    """p(x_t | x_{<t}) = softmax(b + W h_t), where h_t has read x_1 .. x_{t-1}.

    Args:
        num_symbols: V, the size of the alphabet.
        hidden: Size of h.
        kind: ``"rnn"`` for Elman's recurrence, ``"lstm"`` for gates.
        embed_dim: Size of a symbol's vector.
        forget_bias: Where the biases of an LSTM's forget gates start.
        truncation: k, in training only: the state is cut off from its past after every k steps,
            so that no gradient flows further back; ``None`` lets it flow to the start. What the
            model computes does not change.
        length: How many symbols ``sample`` draws unless told otherwise.

    Raises:
        ArgumentError: A size is not a positive whole number, or ``kind`` is unknown.

    Accuracy:
        Exact for its own distribution. With ``truncation`` the loss is exact and its gradient
        lacks every path longer than the cut allows.

    Source:
        [mikolov2010recurrent]; truncation as in [williams1990efficient].
    """

    any_length = True

    def __init__(
        self,
        num_symbols: int,
        hidden: int = 32,
        *,
        kind: Literal["rnn", "lstm"] = "lstm",
        embed_dim: int = 16,
        forget_bias: float = 1.0,
        truncation: int | None = None,
        length: int = 32,
    ):
        super().__init__(length, CategoricalHead(check_int("num_symbols", num_symbols, low=2)))
        check_choice("kind", kind, KINDS)
        check_int("embed_dim", embed_dim, low=1)
        self.num_symbols = num_symbols
        self.truncation = truncation
        if truncation is not None:
            check_int("truncation", truncation, low=1)
        self.embedding = nn.Embedding(num_symbols + 1, embed_dim)
        options = {"forget_bias": forget_bias} if kind == "lstm" else {}
        self.recurrence = (LSTM if kind == "lstm" else RNN)(embed_dim, hidden, **options)
        self.readout = nn.Linear(hidden, num_symbols)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length symbols"]:
        """Return the logits of every next symbol, from the inputs shifted by one."""
        shifted = functional.pad(x[:, :-1], (1, 0), value=self.num_symbols)
        return self.readout(self._outputs(self.embedding(shifted)))

    def start(self, num_samples: int) -> State:
        """Return the state before anything was read."""
        return self.recurrence.start(check_int("num_samples", num_samples, low=1))

    def step(
        self, cache: State, last: Shaped[Tensor, " samples"] | None
    ) -> tuple[Float[Tensor, "samples symbols"], State]:
        """Return the logits of the next symbol and the state that has read ``last``.

        Args:
            cache: The state so far.
            last: The symbol that came last; ``None`` at the beginning.
        """
        if last is None:
            last = cache[0].new_full((len(cache[0]),), self.num_symbols, dtype=torch.int64)
        state = self.recurrence.step(self.embedding(last), cache)
        return self.readout(state[0]), state

    def _outputs(self, inputs: Tensor) -> Tensor:
        if self.truncation is None or not self.training:
            return self.recurrence(inputs)[0]
        outputs, state = [], self.recurrence.start(len(inputs))
        for piece in inputs.split(self.truncation, 1):
            read, state = self.recurrence(piece, tuple(vector.detach() for vector in state))
            outputs.append(read)
        return torch.cat(outputs, 1)
