r"""Logistic regression: the conditional p(y | x) of a label, and nothing about x.

    p(y = 1 | x) = sigma(w . x + b)

It is the discriminative twin of two Gaussian classes with one covariance S, whose posterior has
exactly this form with w = S^-1 (mu_1 - mu_0). Its log-likelihood is concave, and Newton's method
climbs it in a few steps; the Hessian at the top says how well the weights are known.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_utils.arguments import ArgumentError, check_number, check_tensor

_STEPS = 50


@dataclass(frozen=True, eq=False)
class LogisticRegression:
    """The conditional law p(y = 1 | x) = σ(w·x + b).

    Attributes:
        weights: w.
        bias: b.
        covariance: Inverse of the negative Hessian at the fit, axes (w, b): the large-sample
            covariance of the estimates.
    """

    weights: Float[Tensor, " dim"]
    bias: Float[Tensor, ""]
    covariance: Float[Tensor, "dim1 dim1"]

    @classmethod
    def fit(
        cls, x: Float[Tensor, "batch dim"], y: Int[Tensor, " batch"], *, penalty: float = 0.0
    ) -> "LogisticRegression":
        """Maximise Σ log p(y | x) − ½ · penalty · |w|² by Newton's method.

        Args:
            x: Inputs, float64.
            y: Labels 0 or 1, both of them present.
            penalty: ≥ 0, on the weights and not on the bias.

        Raises:
            ArgumentError: No finite maximum was found, as when a line separates the labels and
                ``penalty`` is 0.

        Accuracy:
            Gradient below 1e-8 per example.

        Source:
            [bishop2006pattern].
        """
        check_tensor("x", x, shape=("batch", "dim"), dtype=torch.float64)
        check_tensor("y", y, shape=(len(x),), dtype="integer", device=x.device, low=0, high=1)
        check_number("penalty", penalty, low=0)
        inputs = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        shrink = torch.full_like(inputs[0], penalty)
        shrink[-1] = 0
        theta = torch.zeros_like(inputs[0])
        for _ in range(_STEPS):
            p = (inputs @ theta).sigmoid()
            gradient = inputs.T @ (y - p) - shrink * theta
            hessian = (inputs.T * (p * (1 - p))) @ inputs + shrink.diag()
            covariance, failed = torch.linalg.inv_ex(hessian)
            separated = penalty == 0 and bool((((2 * y - 1) * (inputs @ theta)) > 0).all())
            if bool(failed) or separated:
                break
            if float(gradient.abs().max()) < 1e-8 * len(x):
                return cls(theta[:-1], theta[-1], covariance)
            theta = theta + covariance @ gradient
        raise ArgumentError("x, y: expected labels that no line separates, or a larger penalty")

    def logits(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Return log p(y = 1 | x) − log p(y = 0 | x) = w·x + b."""
        return x @ self.weights + self.bias

    def log_prob(
        self, y: Int[Tensor, " batch"], x: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, " batch"]:
        """Return log p(y | x) in nats."""
        logits = self.logits(x)
        return logsigmoid(torch.where(y > 0, logits, -logits))
