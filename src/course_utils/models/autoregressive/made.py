r"""MADE: an ordinary network with masked weights gives all conditionals at once [germain2015made].

The masks (see ``course_utils.nets.masked``) remove every path from a variable to the parameters
of its own conditional or of an earlier one. One pass of one network then yields the parameters of
all d conditionals, for any order, with any number of hidden layers.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import check_choice, check_int, check_number
from course_utils.distributions import BernoulliHead, CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.models.autoregressive.inputs import Encoding, encode, num_features
from course_utils.nets.masked import MaskedLinear, made_masks


class MADE(AutoregressiveModel):
    """Masked autoencoder for distribution estimation, binary or categorical.

    Args:
        num_variables: d.
        hidden: Width of each hidden layer.
        num_levels: K, values per variable; 2 uses Bernoulli conditionals.
        encoding: How the inputs are read when K > 2: ``"one-hot"`` or ``"scaled"``.
        order: order[k] is the variable at step k; 0 .. d - 1 if ``None``.
        direct: Whether to add masked weights that lead from the inputs straight to the outputs.
        dropout: Probability in [0, 1) with which a hidden unit is set to zero in training.
        generator: Draws random hidden degrees; ``None`` spreads them evenly.

    Raises:
        ArgumentError: A size is out of range or ``order`` is not a permutation.

    Accuracy:
        Exact for its own distribution.

    Source:
        [germain2015made].
    """

    def __init__(
        self,
        num_variables: int,
        hidden: Sequence[int] = (128,),
        *,
        num_levels: int = 2,
        encoding: Encoding = "one-hot",
        order: Int[Tensor, " length"] | None = None,
        direct: bool = False,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        check_int("num_levels", num_levels, low=2)
        check_choice("encoding", encoding, ("one-hot", "scaled"))
        check_number("dropout", dropout, low=0, high=1, open_high=True)
        head = BernoulliHead() if num_levels == 2 else CategoricalHead(num_levels)
        super().__init__(num_variables, head, order)
        self.num_levels = num_levels
        self.encoding: Encoding = "scaled" if num_levels == 2 else encoding
        units = {
            "num_inputs_each": num_features(num_levels, self.encoding),
            "num_outputs_each": head.num_params,
        }
        *inner, last = made_masks(self.order, hidden, **units, generator=generator)
        layers: list[nn.Module] = []
        for mask in inner:
            layers += [MaskedLinear(mask), nn.SiLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(*layers, MaskedLinear(last))
        self.direct = MaskedLinear(*made_masks(self.order, (), **units)) if direct else None

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length params"]:
        """Return the logits of every conditional from one pass of the masked network."""
        dtype = self.net[-1].weight.dtype
        units = encode(x, self.num_levels, self.encoding, dtype).flatten(1)
        logits = self.net(units)
        if self.direct is not None:
            logits = logits + self.direct(units)
        return logits.unflatten(-1, (self.num_variables, self.head.num_params))
