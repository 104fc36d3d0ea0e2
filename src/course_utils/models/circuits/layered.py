r"""A circuit that learns: a balanced tree of mixtures over binary (or K-level) variables.

Neighbouring variables are joined in pairs, pairs in fours, and so on. Each part has ``width``
nodes. With left and right parts a and b of a part r,

    p_r^k(x_r) = \sum_i W_r[k, i] p_a^i(x_a) p_b^i(x_b),    rows of W sum to one.

Every sum is smooth and every product decomposable, so that log p of any subset of the variables is
one pass. Read top-down it is a tree of hidden variables, each with ``width`` states: the law of
``models.graphical`` in which belief propagation is exact.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import sample_categorical


class CircuitTree(nn.Module):
    """Smooth, decomposable circuit on a balanced binary tree of the variables.

    Args:
        num_variables: A power of two, at least 2.
        width: Nodes per part.
        levels: Levels of each variable.
        order: order[j] is the variable at the j-th leaf, so that variables that belong together
            can stand together; 0, 1, 2, ... if ``None``.

    Raises:
        ArgumentError: The number of variables is not a power of two, or ``order`` no permutation.

    Source:
        [poon2011sum].
    """

    order: Tensor

    def __init__(
        self,
        num_variables: int,
        width: int,
        levels: int = 2,
        order: Int[Tensor, " variables"] | None = None,
    ):
        super().__init__()
        depth = int(math.log2(check_int("num_variables", num_variables, low=2)))
        if 2**depth != num_variables:
            raise ArgumentError(f"num_variables: expected a power of two, got {num_variables}")
        self.num_variables, self.levels = num_variables, check_int("levels", levels, low=2)
        check_int("width", width, low=1)
        order = torch.arange(num_variables) if order is None else order.clone()
        if not torch.equal(order.sort().values.cpu(), torch.arange(num_variables)):
            raise ArgumentError(f"order: expected a permutation of 0 to {num_variables - 1}")
        self.register_buffer("order", order)
        self.leaves = nn.Parameter(torch.randn(num_variables, width, levels))
        parts = [num_variables // 2 ** (i + 1) for i in range(depth)]
        widths = [width] * (depth - 1) + [1]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(n, k, width)) for n, k in zip(parts, widths, strict=True)
        )

    def log_prob(self, x: Int[Tensor, "batch variables"]) -> Float[Tensor, " batch"]:
        """Return log p(x_seen) in nats; −1 marks variables that are summed out.

        Raises:
            ArgumentError: A value is neither −1 nor a level.

        Accuracy:
            Exact, one pass for any pattern of missing variables.
        """
        return self._upward(self._shown(x))[0]

    def loss(self, batch: Int[Tensor, "batch variables"]) -> dict[str, Tensor]:
        """Return the mean of −log p(x) in nats per example, as ``total``.

        Accuracy:
            Exact.
        """
        return {"total": -self.log_prob(batch).mean()}

    def posterior(
        self, x: Int[Tensor, "batch variables"]
    ) -> Float[Tensor, "batch variables levels"]:
        """Return p(x_v = k | the other variables seen) for all v: one pass up, one pass down.

        Args:
            x: States; −1 marks what is not seen.

        Accuracy:
            Exact.

        Source:
            [darwiche2003differential].
        """
        shown = self._shown(x).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self._upward(shown)[0].sum(), shown)
        in_order = gradient / gradient.sum(-1, keepdim=True)
        return in_order[:, self.order.argsort()]

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " variables"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples variables"]:
        """Draw x, or what is marked −1 in ``condition`` given the rest of it.

        Top-down: a sum chooses one of its terms with the probability it has given what is seen
        below; both halves of a product are drawn.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is None:
            condition = torch.full((self.num_variables,), -1, device=self.order.device)
        shown = self._shown(condition[None])
        products = self._upward(shown)[1]
        state = torch.zeros(num_samples, 1, dtype=torch.int64, device=self.order.device)
        for weight, below in zip(reversed(self.weights), reversed(products), strict=True):
            parts = torch.arange(weight.shape[0], device=state.device)
            logits = weight.log_softmax(-1)[parts, state] + below
            state = sample_categorical(logits, generator).repeat_interleave(2, 1)
        variables = torch.arange(self.num_variables, device=state.device)
        logits = self.leaves.log_softmax(-1)[variables, state] + shown.log()
        drawn = sample_categorical(logits, generator)
        return drawn[:, self.order.argsort()]

    def _shown(self, x: Tensor) -> Tensor:
        """Indicators in the order of the leaves: 1 where a level is seen or nothing is."""
        shape, device = ("batch", self.num_variables), self.order.device
        high = self.levels - 1
        check_tensor("x", x, shape=shape, dtype="integer", device=device, low=-1, high=high)
        x = x[:, self.order]
        seen = one_hot(x.clamp_min(0), self.levels)
        return torch.where(x[..., None] < 0, 1, seen).to(self.leaves.dtype)

    def _upward(self, shown: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Log value of the root, and the log products of every layer, axes (batch, part, i)."""
        value = torch.einsum("bvl,vkl->bvk", shown, self.leaves.softmax(-1)).log()
        products = []
        for weight in self.weights:
            product = value.unflatten(1, (-1, 2)).sum(2)
            top = product.detach().amax(-1, keepdim=True)
            mixed = torch.einsum("bri,rki->brk", (product - top).exp(), weight.softmax(-1))
            value = mixed.log() + top
            products.append(product)
        return value[:, 0, 0], products


def quadrants(side: int) -> Int[Tensor, " pixels"]:
    """An order of the pixels of a square image in which each quarter stands together, and again.

    Args:
        side: A power of two.

    Raises:
        ArgumentError: ``side`` is no power of two.
    """
    check_int("side", side, low=1)
    if side & (side - 1):
        raise ArgumentError(f"side: expected a power of two, got {side}")
    order = torch.zeros(1, 1, dtype=torch.int64)
    while len(order) < side:
        size = order.numel()
        top = torch.cat([order, order + size], 1)
        order = torch.cat([top, top + 2 * size])
    return order.flatten().argsort()
