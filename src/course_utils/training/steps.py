"""What happens within one step: which examples, which learning rate, the averaged weights."""

import contextlib
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

Batch = Tensor | tuple[Tensor, ...]
"""A batch of examples, or several tensors of equal length."""

SCHEDULES = ("cosine", "constant")
"""Names of the courses a learning rate can take."""


def rate_factor(step: int, num_steps: int, *, warmup_steps: int = 0, schedule: str) -> float:
    """Learning rate of a step, as a fraction of the peak.

    Over the first W steps it rises in a line, (k + 1) / W at step k = 0, 1, ...; then it stays at 1
    (``"constant"``) or falls along half a cosine,

        (1 + cos(pi (k - W) / (K - W))) / 2,

    which starts at 1 and would reach 0 at step K, one after the last.

    Args:
        step: k, from 0 to K - 1.
        num_steps: K, the number of steps of the whole run.
        warmup_steps: W, less than K.
        schedule: ``"cosine"`` or ``"constant"``.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (step - warmup_steps) / (num_steps - warmup_steps))) / 2


class Batches:
    """Shuffled epochs over tensors that lie on the device; the step and a seed fix the batch.

    Each epoch visits the examples in a new random order and leaves out the few that do not fill a
    batch. Since nothing but the step is remembered, a resumed run sees the same batches. When a
    batch would hold all examples, each step gets the data as they are.
    """

    def __init__(self, data: Batch, batch_size: int, seed: int) -> None:
        """Keep the data; nothing is copied."""
        self._data = data
        first = data if isinstance(data, Tensor) else data[0]
        self._num_examples, self._device = len(first), first.device
        self._batch_size = batch_size
        self._seed, self._epoch = seed, -1
        self._generator = torch.Generator(self._device)

    def __call__(self, step: int) -> Batch:
        """Return the batch of ``step`` (0, 1, ...), a tensor or a tuple as the data are."""
        if self._batch_size >= self._num_examples:
            return self._data
        epoch, position = divmod(step, self._num_examples // self._batch_size)
        if epoch != self._epoch:
            self._generator.manual_seed(self._seed + epoch)
            self._order = torch.randperm(
                self._num_examples, generator=self._generator, device=self._device
            )
            self._epoch = epoch
        start = position * self._batch_size
        rows = self._order[start : start + self._batch_size]
        if isinstance(self._data, Tensor):
            return self._data[rows]
        return tuple(x[rows] for x in self._data)


class WeightAverage:
    """Exponential moving average of the weights, without the pull of the starting weights.

    After n updates with decay d it is

        m_n = sum_{k=1}^n d^(n-k) theta_k / sum_{k=1}^n d^(n-k),

    reached by m_n = m_{n-1} + w_n (theta_n - m_{n-1}) with w_n = (1 - d) / (1 - d^n). The first
    weight is 1, so a short run is not averaged with its random start.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        """Start from the parameters' present values, which the first update replaces."""
        self._live = [p.detach() for p in parameters]
        self._decay = decay
        self.values = [p.clone() for p in self._live]

    def update(self, num_updates: int) -> None:
        """Take in the present weights as the ``num_updates``-th, counted from 1."""
        weight = (1 - self._decay) / (1 - self._decay**num_updates)
        torch._foreach_lerp_(self.values, self._live, weight)

    def load(self, values: list[Tensor]) -> None:
        """Go on from saved values."""
        torch._foreach_copy_(self.values, [v.to(self.values[0].device) for v in values])

    def copy_to_model(self) -> None:
        """Overwrite the model's weights by the averaged ones."""
        torch._foreach_copy_(self._live, self.values)

    @contextlib.contextmanager
    def in_model(self) -> Iterator[None]:
        """Put the averaged weights into the model for a while."""
        live = [p.clone() for p in self._live]
        self.copy_to_model()
        try:
            yield
        finally:
            torch._foreach_copy_(self._live, live)


def make_optimiser(
    parameters: list[nn.Parameter], learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW, fused into one kernel where the weights allow it.

    Weight decay pulls on matrices and larger arrays alone; biases and gains are left free.
    """
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, fused=fused
    )
