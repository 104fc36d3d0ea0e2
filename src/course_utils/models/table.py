r"""A table with a hidden row: the smallest model that answers all four questions exactly.

The joint law p(z, x) of one hidden variable and a few observed ones is a table of logits. To
score is to sum over z, to infer is to divide the joint by that sum, to sample is to pick a cell,
and to learn from complete data is to count.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import sample_categorical


class TableModel(nn.Module):
    """Joint law p(z, x) ∝ exp(logits[z, x_1, …, x_d]) of a hidden z and observed x.

    Args:
        num_hidden: Number K of values of z.
        levels: Numbers of values of x_1, …, x_d.

    Raises:
        ArgumentError: A number is below 1.

    Accuracy:
        Exact on all four tasks.
    """

    def __init__(self, num_hidden: int, levels: Sequence[int]):
        super().__init__()
        self.num_hidden = check_int("num_hidden", num_hidden, low=1)
        self.levels = tuple(check_int("levels", k, low=1) for k in levels)
        if not self.levels:
            raise ArgumentError("levels: expected at least one variable, got none")
        self.logits = nn.Parameter(torch.zeros(num_hidden, *self.levels))

    def joint(self) -> Float[Tensor, "hidden ..."]:
        """Return log p(z, x) of every cell in nats."""
        return self.logits - self.logits.flatten().logsumexp(0)

    def states(self) -> Int[Tensor, "states d"]:
        """All values of x, the last variable running fastest."""
        axes = [torch.arange(k, device=self.logits.device) for k in self.levels]
        return torch.cartesian_prod(*axes).reshape(-1, len(self.levels))

    def log_prob(self, x: Int[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """Return log p(x) = log Σ_z p(z, x) in nats; −inf for what cannot be."""
        return self._cells(x).logsumexp(0)

    def posterior(self, x: Int[Tensor, "batch d"]) -> Float[Tensor, "batch hidden"]:
        """Return p(z | x) = p(z, x) / p(x).

        Raises:
            ArgumentError: An x has probability zero.
        """
        cells = self._cells(x)
        if bool((cells.max(0).values == -torch.inf).any()):
            raise ArgumentError("x: expected values that can occur, got one of probability 0")
        return cells.softmax(0).T

    def sample(
        self,
        num_samples: int,
        *,
        condition: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples d"]:
        """Draw x ~ p(x), or x ~ p(x | z) for one value z of the hidden variable.

        Args:
            num_samples: How many.
            condition: A value z that can occur.
            generator: Source of randomness on the model's device.
        """
        check_int("num_samples", num_samples, low=1)
        joint = self.joint().detach().flatten(1)
        if condition is not None:
            check_int("condition", condition, low=0, high=self.num_hidden - 1)
            joint = joint[condition : condition + 1]
            if bool((joint == -torch.inf).all()):
                raise ArgumentError("condition: expected a value that can occur, got otherwise")
        cell = sample_categorical(joint.logsumexp(0).expand(num_samples, -1), generator)
        return self.states()[cell]

    def loss(self, batch: Int[Tensor, "batch d"]) -> dict[str, Tensor]:
        """Return ``total`` = −mean log p(x), the negative log-likelihood in nats per example."""
        return {"total": -self.log_prob(batch).mean()}

    def fit_counts(self, z: Int[Tensor, " batch"], x: Int[Tensor, "batch d"]) -> "TableModel":
        """Learn from complete data: give each cell the share of the examples that lie in it.

        This is the maximum of the likelihood of (z, x), exactly.

        Args:
            z: Values of the hidden variable, known this once.
            x: Observed values.

        Returns:
            The model itself.
        """
        self._check(x)
        shape, device, high = (len(x),), self.logits.device, self.num_hidden - 1
        check_tensor("z", z, shape=shape, dtype="integer", device=device, low=0, high=high)
        counts = torch.zeros_like(self.logits)
        ones = torch.ones_like(z, dtype=counts.dtype)
        counts.index_put_((z, *x.unbind(-1)), ones, accumulate=True)
        with torch.no_grad():
            self.logits.copy_((counts / len(x)).log())
        return self

    def _cells(self, x: Tensor) -> Tensor:
        """Return log p(z, x), axes (hidden, batch)."""
        self._check(x)
        return self.joint()[:, *x.unbind(-1)]

    def _check(self, x: Tensor) -> None:
        shape, device = ("batch", len(self.levels)), self.logits.device
        check_tensor("x", x, shape=shape, dtype="integer", device=device, low=0)
        for i, k in enumerate(self.levels):
            check_tensor(f"x[:, {i}]", x[:, i], high=k - 1)
