r"""Mixtures of discretised logistics: output heads for variables whose levels are ordered.

A logistic variable with location mu and scale s has the distribution function sigmoid((y - mu)/s).
Levels 0 .. K - 1 stand at y_k = 2k/(K - 1) - 1, from -1 to 1, each in the middle of a bin of half
width d = 1/(K - 1). A level gets the mass of its bin, and the two outermost bins are open, so that
the masses sum to one [salimans2017pixelcnnpp]:

    P(0)     = sigmoid(b_0)                              a_k = (y_k - d - mu)/s
    P(k)     = sigmoid(b_k) - sigmoid(a_k)               b_k = (y_k + d - mu)/s
    P(K - 1) = 1 - sigmoid(a_{K-1}) = sigmoid(-a_{K-1})

The difference cancels in the upper tail, where both terms are near 1, and underflows far out in
the lower one. It is also a product,

    sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - e^{-(b - a)}),    b - a = 2d/s,

whose logarithm is a sum of three terms without cancellation, and which needs no approximation.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import sample_categorical

LOG_SCALES = (-9.0, 9.0)
"""Log scales beyond these count as the bound. At the lower one a bin of 256 levels is 63 scales
wide and holds a component whole; at the upper one nearly all mass lies in the two open bins."""


def logistic_log_pmf(
    level: Int[Tensor, "*#batch"],
    mean: Float[Tensor, "*#batch"],
    log_scale: Float[Tensor, "*#batch"],
    num_levels: int,
) -> Float[Tensor, "*batch"]:
    """Log probability of a level under one discretised logistic variable.

    Args:
        level: k in 0 .. K - 1.
        mean: Location mu; level k stands at 2k/(K - 1) - 1.
        log_scale: log s; values beyond ``LOG_SCALES`` count as the bound.
        num_levels: K >= 2.

    Returns:
        Nats, at most 0, one per level.

    Accuracy:
        Exact, without cancellation or overflow.

    Source:
        [salimans2017pixelcnnpp], who replace the difference by a density where it underflows.
    """
    check_int("num_levels", num_levels, low=2)
    half_width = 1 / (num_levels - 1)
    log_scale = log_scale.clamp(*LOG_SCALES)
    precision = torch.exp(-log_scale)
    centred = (2 * level.to(mean.dtype) - (num_levels - 1)) * half_width - mean
    below_upper = functional.logsigmoid((centred + half_width) * precision)
    above_lower = functional.logsigmoid((half_width - centred) * precision)
    inner = torch.log(-torch.expm1(-2 * half_width * precision))
    last = level == num_levels - 1
    first = level == 0
    both = below_upper + above_lower + inner
    return torch.where(first, below_upper, torch.where(last, above_lower, both))


@dataclass(frozen=True)
class DiscretisedLogisticMixture:
    """Variable with ordered levels 0 .. K - 1: P(k) = sum_m w_m P_m(k), logistic components.

    Args:
        num_levels: K >= 2.
        num_components: M >= 1.

    Source:
        [salimans2017pixelcnnpp].
    """

    num_levels: int
    num_components: int = 5

    def __post_init__(self) -> None:
        check_int("num_levels", self.num_levels, low=2)
        check_int("num_components", self.num_components, low=1)

    @property
    def num_params(self) -> int:
        """M logits of the weights, M locations and M log scales, in this order: 3M."""
        return 3 * self.num_components

    def log_prob(
        self, params: Float[Tensor, "*batch params"], x: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Log probability log sum_m w_m P_m(x).

        Args:
            params: Logits, locations and log scales in the last axis.
            x: Level 0 .. K - 1.

        Returns:
            Nats, at most 0, one per variable.

        Accuracy:
            Exact, without cancellation; see ``logistic_log_pmf``.
        """
        logits, mean, log_scale = self.split(params)
        each = logistic_log_pmf(x.long().unsqueeze(-1), mean, log_scale, self.num_levels)
        return (logits.log_softmax(-1) + each).logsumexp(-1)

    def log_pmf(self, params: Float[Tensor, "*batch params"]) -> Float[Tensor, "*batch levels"]:
        """Log probabilities of all K levels, for plots and for mixing with other heads."""
        levels = torch.arange(self.num_levels, device=params.device)
        each = params.unsqueeze(-2).expand(*params.shape[:-1], self.num_levels, -1)
        return self.log_prob(each, levels.expand(each.shape[:-1]))

    def sample(
        self, params: Float[Tensor, "*batch params"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "*batch"]:
        """Draw a level (int64): a component, then a logistic variable, then the bin it fell in."""
        logits, mean, log_scale = self.split(params)
        chosen = sample_categorical(logits, generator).unsqueeze(-1)
        mean = mean.gather(-1, chosen).squeeze(-1)
        scale = log_scale.gather(-1, chosen).squeeze(-1).clamp(*LOG_SCALES).exp()
        tiny = torch.finfo(mean.dtype).eps
        uniform = torch.empty_like(mean).uniform_(generator=generator).clamp(tiny, 1 - tiny)
        value = mean + scale * uniform.logit()
        level = torch.round((value + 1) / 2 * (self.num_levels - 1))
        return level.clamp(0, self.num_levels - 1).long()

    def mean(self, params: Float[Tensor, "*batch params"]) -> Float[Tensor, "*batch"]:
        """Mean level E[x] = sum_k k P(k), one per leading index of ``params``."""
        probs = self.log_pmf(params).exp()
        return probs @ torch.arange(self.num_levels, dtype=probs.dtype, device=probs.device)

    def split(self, params: Float[Tensor, "*batch params"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return weight logits, locations and log scales, each (batch, components)."""
        check_tensor("params", params, shape=("...", self.num_params), dtype="float", finite=False)
        return params.unflatten(-1, (3, self.num_components)).unbind(-2)


def num_pixel_params(num_components: int, num_channels: int) -> int:
    """Numbers a network emits for one whole pixel: M (1 + 2C + C(C - 1)/2)."""
    return num_components * (1 + 2 * num_channels + num_channels * (num_channels - 1) // 2)


def whole_pixel_conditionals(
    params: Float[Tensor, "*batch pixel_params"],
    pixel: Int[Tensor, "*batch channels"],
    head: DiscretisedLogisticMixture,
) -> Float[Tensor, "*batch channels params"]:
    r"""Turn one vector per pixel into the parameters of each channel's conditional.

    The C channels of a pixel share the component m, and the location of channel c is linear in
    the channels before it, at their levels' places y:

        p(x_1 .. x_C) = \sum_m w_m \prod_c P(x_c; mu_mc + \sum_{b<c} g_mcb y_b, s_mc).

    By the chain rule channel c is again a mixture of logistics, with these shifted locations and
    with weights that know how well each component explained the channels before:

        w_m(x_{<c}) \propto w_m \prod_{b<c} P_m(x_b | x_{<b}).

    Args:
        params: Per pixel M logits of w; C·M locations; C·M log scales; C(C-1)/2·M numbers whose
            tanh is g, for (c, b) = (1, 0), (2, 0), (2, 1), ...
        pixel: The pixel's levels; channel c's result depends on channels before c only.
        head: The conditionals' family.

    Returns:
        Parameters of ``head`` for each channel.

    Raises:
        ArgumentError: ``params`` does not hold ``num_pixel_params`` numbers for each pixel.

    Accuracy:
        Exact: the product of the conditionals is the mixture above.

    Source:
        [salimans2017pixelcnnpp], with log weights carried from channel to channel.
    """
    channels, components = pixel.shape[-1], head.num_components
    wanted = num_pixel_params(components, channels)
    if params.shape[-1] != wanted:
        raise ArgumentError(
            f"params: expected {wanted} numbers for each pixel, got {params.shape[-1]}"
        )
    blocks = params.unflatten(-1, (-1, components))
    weights, means = blocks[..., 0, :], blocks[..., 1 : 1 + channels, :]
    log_scales = blocks[..., 1 + channels : 1 + 2 * channels, :]
    slopes = torch.tanh(blocks[..., 1 + 2 * channels :, :])
    place = 2 * pixel.to(params.dtype).unsqueeze(-1) / (head.num_levels - 1) - 1
    conditionals, used = [], 0
    for c in range(channels):
        pull = (slopes[..., used : used + c, :] * place[..., :c, :]).sum(-2)
        mean, log_scale = means[..., c, :] + pull, log_scales[..., c, :]
        conditionals.append(torch.cat([weights, mean, log_scale], -1))
        explained = logistic_log_pmf(pixel[..., c, None], mean, log_scale, head.num_levels)
        weights, used = weights + explained, used + c
    return torch.stack(conditionals, -2)
