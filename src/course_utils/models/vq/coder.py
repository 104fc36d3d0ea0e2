r"""What image coders share: pixels to codes, codes to a law of the pixels, and the loss.

An encoder names a code at each of N places, a decoder turns the names into the parameters of every
pixel's distribution. Given the codes the pixels are independent, each with its own logits:

    c = c(x),    log p(x | c) = \sum_i log p(x_i | c).

A coder has no p(c), so it can neither draw pictures nor say how probable one is; see ``CodeModel``.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.inputs import encode
from course_utils.models.vq.quantiser import Quantised
from course_utils.tasks import absent

Features = Float[Tensor, "batch channels height width"]
"""Maps of features, with a place for each code."""


class ImageCoder(nn.Module, ABC):
    """Pictures of H x W levels as N codes out of K each.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: L, values of a pixel.
        num_codes: K.
        num_places: N.
        factor: What H and W have to be multiples of.

    Raises:
        ArgumentError: A size is out of range, or H or W is not a multiple of ``factor``.
    """

    decoder: nn.Module

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        num_codes: int,
        num_places: int,
        factor: int,
    ):
        super().__init__()
        for name, side in (("height", height), ("width", width)):
            if check_int(name, side, low=1) % factor:
                raise ArgumentError(f"{name}: expected a multiple of {factor}, got {side}")
        check_int("num_codes", num_codes, low=2)
        self.head = CategoricalHead(num_levels)
        self.height, self.width, self.num_levels = height, width, num_levels
        self.num_codes, self.num_places = num_codes, num_places

    @abstractmethod
    def quantise(self, picture: Features) -> Quantised:
        """Return codes (batch, places), the decoder's input, and the losses of the codebooks."""

    @abstractmethod
    def look_up(self, codes: Int[Tensor, "batch places"]) -> Features:
        """Return the decoder's input for these codes."""

    def picture(self, x: Int[Tensor, "batch length"]) -> Features:
        """Return the levels as numbers in [-1, 1] (0 and 1 for two levels) of one channel."""
        dtype = next(self.decoder.parameters()).dtype
        numbers = encode(x, self.num_levels, "scaled", dtype)
        return numbers.transpose(1, 2).unflatten(2, (self.height, self.width))

    @torch.no_grad()
    def encode(self, x: Int[Tensor, "batch length"]) -> Int[Tensor, "batch places"]:
        """Return the codes c(x), without training the codebook.

        Args:
            x: Levels in raster order (batch, H W).

        Raises:
            ArgumentError: ``x`` has another number of pixels, or a level out of range.
        """
        self._check(x, values=True)
        training = self.training
        self.eval()
        codes = self.quantise(self.picture(x)).codes
        self.train(training)
        return codes

    def decode(self, codes: Int[Tensor, "batch places"]) -> Float[Tensor, "batch length levels"]:
        """Return the logits of p(x_i | c) of every pixel.

        Raises:
            ArgumentError: ``codes`` do not fit the coder.
        """
        check_tensor(
            "codes",
            codes,
            shape=("batch", self.num_places),
            dtype="integer",
            low=0,
            high=self.num_codes - 1,
        )
        return self._logits(self.look_up(codes))

    def log_prob_given(
        self, x: Int[Tensor, "batch length"], codes: Int[Tensor, "batch places"]
    ) -> Float[Tensor, " batch"]:
        """Return log p(x | c) in nats per picture.

        Accuracy:
            Exact.
        """
        self._check(x, values=True)
        return self.head.log_prob(self.decode(codes), x).sum(-1)

    def loss(self, batch: Int[Tensor, "batch length"]) -> dict[str, Tensor]:
        """Return what the coder lowers, equation 3 of the paper with its first sign put right.

        Args:
            batch: Levels in raster order.

        Returns:
            ``pixels``: mean of -log p(x | c(x)), nats per picture.
            ``codebook``, ``commitment``: the quantiser's losses, squared lengths per place.
            ``total``: their sum.

        Accuracy:
            The value is exact; its gradient with respect to the encoder is straight-through.
        """
        self._check(batch, values=batch.device.type == "cpu")
        found = self.quantise(self.picture(batch))
        pixels = -self.head.log_prob(self._logits(found.vectors), batch).sum(-1).mean()
        codebook, commitment = found.codebook_loss, found.commitment_loss
        return {
            "total": pixels + codebook + commitment,
            "pixels": pixels,
            "codebook": codebook,
            "commitment": commitment,
        }

    def posterior(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch places codes"]:
        """Return q(c | x): probability one for the code of each place.

        Accuracy:
            An estimate of p(c | x), which no coder computes; the encoder knows no doubt.
        """
        return functional.one_hot(self.encode(x), self.num_codes).to(torch.get_default_dtype())

    sample = absent(
        "sample",
        "a coder has no distribution of codes to draw from; give one to CodeModel.",
        "the chapter on priors over codes (week 4)",
    )
    log_prob = absent(
        "score",
        "without a prior over codes a picture has no probability.",
        "the chapter on priors over codes (week 4)",
    )

    def _logits(self, features: Features) -> Float[Tensor, "batch length levels"]:
        return self.decoder(features).flatten(2).transpose(1, 2)

    def _check(self, x: Tensor, *, values: bool) -> None:
        check_tensor(
            "x",
            x,
            shape=("batch", self.height * self.width),
            dtype="integer",
            device=next(self.decoder.parameters()).device,
            low=0 if values else None,
            high=self.num_levels - 1 if values else None,
        )


def quantise_map(quantiser: nn.Module, features: Features) -> Quantised:
    """Quantise the vector at each place of a map.

    Returns:
        Codes (batch, places) in raster order, and vectors as a map again.
    """
    found = quantiser(features.movedim(1, -1))
    return found._replace(codes=found.codes.flatten(1), vectors=found.vectors.movedim(-1, 1))
