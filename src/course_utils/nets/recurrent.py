r"""Recurrent layers: one map, applied at every step, to a state of fixed size.

A recurrence reads inputs x_1, x_2, ... and keeps a state s_t = F(x_t, s_{t-1}) that is all it
remembers. The simplest is Elman's [elman1990finding],

    h_t = tanh(b + W x_t + U h_{t-1}),

and the derivative of h_T with respect to h_t is a product of T - t matrices diag(1 - h^2) U. The
LSTM [hochreiter1997long; gers2000learning] adds a second vector c, the cell, that is changed by
multiplication and addition only, by gates between 0 and 1:

    i, f, o = sigmoid(...)    g = tanh(...)      each of the form b + W x_t + U h_{t-1}
    c_t = f * c_{t-1} + i * g                    forget, then write
    h_t = o * tanh(c_t)                          read

With U = 0 the gates do not depend on the state, and the derivative of c_T with respect to c_t is
the product of the forget gates in between, neither more nor less.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_utils.arguments import check_int, check_number

State = tuple[Tensor, ...]
"""What a recurrence remembers, (h,) or (h, c), each of shape (batch, hidden); h is its output."""


class Recurrence(nn.Module, ABC):
    """A recurrence written out as one ``step``, and run over whole sequences by PyTorch's kernel.

    Both use the same weights, those of ``kernel``: W is ``weight_ih_l0``, U is ``weight_hh_l0``,
    and b is the sum of ``bias_ih_l0`` and ``bias_hh_l0``.

    Args:
        kernel: PyTorch's layer, batch first, with one layer.
        num_vectors: How many vectors the state has.
    """

    def __init__(self, kernel: nn.RNNBase, num_vectors: int):
        super().__init__()
        self.kernel = kernel
        self.num_vectors = num_vectors
        nn.init.zeros_(kernel.bias_ih_l0)
        nn.init.zeros_(kernel.bias_hh_l0)

    @property
    def hidden(self) -> int:
        """Size of h."""
        return self.kernel.hidden_size

    def start(self, batch: int) -> State:
        """Return the state before anything was read: zeros."""
        zeros = self.kernel.weight_hh_l0.new_zeros(batch, self.hidden)
        return (zeros,) * self.num_vectors

    @abstractmethod
    def step(self, x: Float[Tensor, "batch inputs"], state: State) -> State:
        """Return s_t = F(x_t, s_{t-1}); its first vector is the output h_t."""

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "batch length inputs"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch length hidden"], State]:
        """Return h_1 .. h_T and the last state; the same as ``unroll``, faster."""

    def _sums(self, x: Tensor, h: Tensor) -> Tensor:
        """Return b + W x + U h."""
        kernel = self.kernel
        read = nn.functional.linear(x, kernel.weight_ih_l0, kernel.bias_ih_l0)
        return read + nn.functional.linear(h, kernel.weight_hh_l0, kernel.bias_hh_l0)


class RNN(Recurrence):
    r"""Elman's recurrence h_t = tanh(b + W x_t + U h_{t-1}).

    Args:
        num_inputs: Size of x_t.
        hidden: Size of h_t.

    Source:
        [elman1990finding].
    """

    def __init__(self, num_inputs: int, hidden: int):
        check_int("num_inputs", num_inputs, low=1)
        check_int("hidden", hidden, low=1)
        super().__init__(nn.RNN(num_inputs, hidden, batch_first=True), num_vectors=1)

    def step(self, x: Float[Tensor, "batch inputs"], state: State) -> State:
        """Return (h_t,)."""
        return (torch.tanh(self._sums(x, state[0])),)

    def forward(
        self, inputs: Float[Tensor, "batch length inputs"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch length hidden"], State]:
        """Return h_1 .. h_T and (h_T,)."""
        (h,) = self.start(len(inputs)) if state is None else state
        outputs, last = self.kernel(inputs, h[None].contiguous())
        return outputs, (last[0],)


class LSTM(Recurrence):
    """Long short-term memory: c_t = f c_{t-1} + i g, h_t = o tanh(c_t).

    Args:
        num_inputs: Size of x_t.
        hidden: Size of h_t and of c_t.
        forget_bias: Where the biases of the forget gates start; 1 means f = 0.73 at the beginning.

    Source:
        [hochreiter1997long]; the forget gate is that of [gers2000learning], and its bias of 1 is
        advised there and in [jozefowicz2015empirical].
    """

    def __init__(self, num_inputs: int, hidden: int, *, forget_bias: float = 1.0):
        check_int("num_inputs", num_inputs, low=1)
        check_int("hidden", hidden, low=1)
        check_number("forget_bias", forget_bias)
        super().__init__(nn.LSTM(num_inputs, hidden, batch_first=True), num_vectors=2)
        with torch.no_grad():
            self.kernel.bias_ih_l0[hidden : 2 * hidden] = forget_bias

    def gates(
        self, x: Float[Tensor, "batch inputs"], h: Float[Tensor, "batch hidden"]
    ) -> tuple[Float[Tensor, "batch hidden"], ...]:
        """Return i (write), f (keep), g (what to write) and o (read), in PyTorch's order."""
        i, f, g, o = self._sums(x, h).chunk(4, -1)
        return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()

    def step(self, x: Float[Tensor, "batch inputs"], state: State) -> State:
        """Return (h_t, c_t)."""
        h, c = state
        i, f, g, o = self.gates(x, h)
        c = f * c + i * g
        return o * c.tanh(), c

    def forward(
        self, inputs: Float[Tensor, "batch length inputs"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch length hidden"], State]:
        """Return h_1 .. h_T and (h_T, c_T)."""
        h, c = self.start(len(inputs)) if state is None else state
        outputs, (h, c) = self.kernel(inputs, (h[None].contiguous(), c[None].contiguous()))
        return outputs, (h[0], c[0])


def unroll(
    recurrence: Recurrence,
    inputs: Float[Tensor, "batch length inputs"],
    state: State | None = None,
) -> list[State]:
    """Return the states s_1 .. s_T, one ``step`` after the other.

    Args:
        recurrence: The map F.
        inputs: x_1 .. x_T.
        state: s_0; zeros if ``None``.
    """
    state = recurrence.start(len(inputs)) if state is None else state
    states = []
    for x in inputs.unbind(1):
        state = recurrence.step(x, state)
        states.append(state)
    return states
