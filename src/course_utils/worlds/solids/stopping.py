"""The depth at which a fog stops light, a random number with a known law.

A photon that has come as far as t along its ray is stopped in the next dt with probability
σ(o + t d) dt, so it stops at depth t with density σ(o + t d) T(near, t). The optical depth
D(t) = ∫_near^t σ of the place where it stops is an exponential variable, whatever the fog.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.tasks import absent, nothing_to_learn
from course_utils.worlds.solids.fogs import Fog

_HALVINGS = 64


@dataclass(frozen=True, eq=False)
class StoppingDepth:
    """World p(t) = σ(o + t d) T(near, t) / (1 − T(near, far)) of the light that is stopped.

    Args:
        fog: σ.
        origin: o.
        direction: d, of length one.
        near: Where the light starts, in units of length.
        far: Where the fog is left, > ``near``.

    Raises:
        ArgumentError: If the fog between ``near`` and ``far`` stops nothing.
    """

    fog: Fog
    origin: Float[Tensor, "3"]
    direction: Float[Tensor, "3"]
    near: float
    far: float

    loss = nothing_to_learn
    posterior = absent(
        "infer", "a depth is observed and nothing is hidden.", "the architecture page"
    )

    def __post_init__(self) -> None:
        check_tensor("origin", self.origin, shape=(3,), dtype="float")
        same = {"dtype": self.origin.dtype, "device": self.origin.device}
        check_tensor("direction", self.direction, shape=(3,), **same)
        check_number("near", self.near)
        check_number("far", self.far, low=self.near, open_low=True)
        if not float(self.stopped()) > 0:
            raise ArgumentError("fog: expected one that stops light on this ray, got none of it")

    def stopped(self) -> Float[Tensor, ""]:
        """Fraction 1 − T(near, far) of the light that is stopped."""
        return -torch.expm1(-self._total())

    def log_prob(self, x: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Log density log σ(o + t d) − D(t) − log(1 − T(near, far)).

        Args:
            x: Depths t.

        Returns:
            Nats per depth; −∞ where there is no fog, and outside [near, far].

        Accuracy:
            Exact.
        """
        self._check(x)
        inside = (x >= self.near) & (x <= self.far)
        log_density = self.fog.density(self._points(x)).log()
        log_prob = log_density - self._depth(x.clamp(self.near, self.far)) - self.stopped().log()
        return log_prob.masked_fill(~inside, -math.inf)

    def sample(
        self,
        num_samples: int,
        *,
        condition: None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples"]:
        """Draw an optical depth E = −log(1 − u · stopped) and solve D(t) = E by bisection.

        Args:
            num_samples: How many.
            condition: Nothing to condition on; only None.
            generator: Source of randomness on the device of the ray.

        Returns:
            Depths in [near, far].

        Accuracy:
            Exact up to rounding: 64 halvings exhaust the digits of float64.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is not None:
            raise ArgumentError("condition: expected None (a depth has no parts), got one")
        u = self.origin.new_empty(num_samples).uniform_(generator=generator)
        wanted = -torch.log1p(-u * self.stopped())
        low, high = torch.full_like(u, self.near), torch.full_like(u, self.far)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            short = self._depth(middle) < wanted
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        return high

    def entropy(
        self, num_samples: int = 4000, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Differential entropy H = E[−log p(t)] with its standard error.

        Args:
            num_samples: Depths drawn, at least 2.
            generator: Source of randomness on the device of the ray.

        Returns:
            Estimate and standard error, nats per depth.

        Accuracy:
            Estimate, unbiased.
        """
        check_int("num_samples", num_samples, low=2)
        nats = -self.log_prob(self.sample(num_samples, generator=generator))
        return nats.mean(), nats.std() / math.sqrt(num_samples)

    def _check(self, x: Tensor) -> None:
        same = {"dtype": self.origin.dtype, "device": self.origin.device}
        check_tensor("x", x, shape=("batch",), **same)

    def _points(self, x: Tensor) -> Tensor:
        return self.origin + x[:, None] * self.direction

    def _depth(self, x: Tensor) -> Tensor:
        """Optical depth D(t) = ∫_near^t σ for every t in ``x``."""
        origins = self.origin.expand(len(x), 3)
        return self.fog.optical_depth(origins, self.direction.expand(len(x), 3), self.near, x)

    def _total(self) -> Tensor:
        return self._depth(self.origin.new_tensor([self.far]))[0]
