r"""WaveNet: dilated causal convolutions with gates and skip connections [oord2016wavenet].

The input is the signal shifted by one, so that the output at t has seen x_{t-1} and earlier values
only. Every block reads the stream h, and adds to it and to a sum on the side:

    z = tanh(W_f * h + V_f y) . sigmoid(W_g * h + V_g y)        * a dilated causal convolution
    h <- h + R z                                                 residual
    s <- s + S z                                                 skip
    parameters = B relu(A relu(s))                               after the last block

y is a condition: a class or a speaker (one vector for the whole signal, "global") or a pitch that
moves (one vector for every step, "local"). The output at t depends on x_{t-1} .. x_{t-R} with
R = 1 + (k - 1) \sum_l d_l and on no other value, so the model is a Markov chain of order R.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int
from course_utils.distributions import CategoricalHead, GaussianHead
from course_utils.models.autoregressive.given import ConditionalModel
from course_utils.nets.causal_conv import CausalConv1d, Queue, receptive_field
from course_utils.nets.gated import Shifts, gated_activation


class Cache(NamedTuple):
    """What a WaveNet remembers between two steps: a queue for every layer, and the time."""

    queues: tuple[Queue, ...]
    time: int


class Block(nn.Module):
    """One gated residual block; returns what it adds to the stream and to the skip sum.

    Args:
        channels: Width of the stream.
        skip_channels: Width of the skip sum.
        kernel_size: k.
        dilation: d.
    """

    def __init__(self, channels: int, skip_channels: int, kernel_size: int, dilation: int):
        super().__init__()
        self.conv = CausalConv1d(channels, 2 * channels, kernel_size, dilation)
        self.residual = nn.Linear(channels, channels)
        self.skip = nn.Linear(channels, skip_channels)

    def forward(self, h: Tensor, shift: Tensor | float) -> tuple[Tensor, Tensor]:
        """Return both for h (batch, length, channels); ``shift`` is V y, channels on axis 1."""
        z = gated_activation(self.conv(h.mT) + shift).mT
        return self.residual(z), self.skip(z)

    def step(self, queue: Queue, h: Tensor, shift: Tensor | float) -> tuple[Tensor, Tensor, Queue]:
        """Return both for the newest h (batch, channels), and the queue with h in it."""
        y, queue = self.conv.step(queue, h)
        z = gated_activation(y + shift)
        return self.residual(z), self.skip(z), queue


class WaveNet(ConditionalModel):
    r"""p(x_t | x_{t-1} .. x_{t-R}, y) with R = 1 + (k - 1) \sum_l d_l.

    Args:
        head: Categorical for levels (a quantised signal), Gaussian for real values.
        channels: Width of the stream.
        kernel_size: k >= 2.
        dilations: d_l of each block, such as 1, 2, 4, 8.
        skip_channels: Width of the skip sum; ``channels`` if ``None``.
        condition_dim: Size of the condition y; 0 for a model without one. A model with one is
            asked through ``given``.
        length: How many values ``sample`` draws unless told otherwise.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [oord2016wavenet]. Ours reads a level through a learned vector and a real number beside a
        mark that says that it is one; cached sampling is that of [paine2016fast].
    """

    any_length = True

    def __init__(
        self,
        head: CategoricalHead | GaussianHead,
        channels: int = 16,
        *,
        kernel_size: int = 2,
        dilations: Sequence[int] = (1, 2, 4, 8),
        skip_channels: int | None = None,
        condition_dim: int = 0,
        length: int = 64,
    ):
        super().__init__(length, head)
        check_int("channels", channels, low=1)
        check_int("kernel_size", kernel_size, low=2)
        self.condition_dim = check_int("condition_dim", condition_dim, low=0)
        if len(dilations) == 0:
            raise ArgumentError(f"dilations: expected at least one block, got {dilations}")
        self.receptive_field = receptive_field(kernel_size, dilations)
        skips = check_int("skip_channels", skip_channels or channels, low=1)
        levels = getattr(head, "num_levels", None)
        self.read = nn.Linear(2, channels) if levels is None else nn.Embedding(levels + 1, channels)
        self.blocks = nn.ModuleList(Block(channels, skips, kernel_size, d) for d in dilations)
        self.shifts = Shifts(condition_dim, channels, len(self.blocks)) if condition_dim else None
        self.write = nn.Sequential(
            nn.ReLU(), nn.Linear(skips, skips), nn.ReLU(), nn.Linear(skips, head.num_params)
        )

    def conditionals(
        self,
        x: Shaped[Tensor, "batch length"],
        condition: Float[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch length params"]:
        """Return the parameters of every conditional from one pass.

        Args:
            x: Signals (batch, length).
            condition: y, (batch, condition_dim) for the whole signal or (batch, length,
                condition_dim) for every step.
        """
        if condition is not None and condition.ndim == 2:
            condition = condition[:, None]
        if condition is not None and condition.shape[1] not in (1, x.shape[1]):
            raise ArgumentError(f"condition: expected {x.shape[1]} steps, got {condition.shape[1]}")
        h = torch.cat([self._code(None, len(x))[:, None], self._code(x[:, :-1], len(x))], 1)
        skipped = 0.0
        shifts = self._shifts(condition, len(self.blocks))
        for block, shift in zip(self.blocks, shifts, strict=True):
            added, skip = block(h, shift)
            h, skipped = h + added, skipped + skip
        return self.write(skipped)

    def start(self, num_samples: int) -> Cache:
        """Return the queues before the beginning."""
        check_int("num_samples", num_samples, low=1)
        return Cache(tuple(block.conv.start(num_samples) for block in self.blocks), 0)

    def step(
        self,
        cache: Cache,
        last: Shaped[Tensor, " samples"] | None,
        condition: Float[Tensor, "..."] | None = None,
    ) -> tuple[Float[Tensor, "samples params"], Cache]:
        """Return the parameters of the next conditional and the queues that know ``last``.

        Args:
            cache: The queues so far.
            last: The value that came last; ``None`` at the beginning.
            condition: y for the whole signal, or for every step of it.
        """
        h = self._code(last, len(cache.queues[0][0]))
        if condition is not None and condition.ndim == 3:
            condition = condition[:, cache.time]
        skipped, queues = 0.0, []
        shifts = self._shifts(condition, len(self.blocks))
        for block, queue, shift in zip(self.blocks, cache.queues, shifts, strict=True):
            added, skip, queue = block.step(queue, h, shift)
            h, skipped = h + added, skipped + skip
            queues.append(queue)
        return self.write(skipped), Cache(tuple(queues), cache.time + 1)

    def _code(self, values: Tensor | None, batch: int) -> Tensor:
        """What the first block reads of earlier values; ``None`` stands before the beginning."""
        weight = self.read.weight
        if isinstance(self.read, nn.Embedding):
            if values is None:
                values = torch.full((batch,), len(weight) - 1, device=weight.device)
            return self.read(values)
        if values is None:
            return self.read(weight.new_zeros(batch, 2))
        values = values.to(weight.dtype)
        return self.read(torch.stack([values, torch.ones_like(values)], -1))
