r"""A coder and a prior over its codes are a generative model, p(x) = \sum_c p(c) p(x | c).

The sum runs over K^N maps of codes. One of its terms is known, the map c(x) that the encoder names,
and a sum of positive terms is at least as large as one of them:

    log p(x) >= log p(c(x)) + log p(x | c(x)).

This is the ELBO for a q that puts all its mass on c(x), whose entropy is zero; what is missing is
KL(q || p(c | x)) = -log p(c(x) | x). The two terms are the bits of a file: first the codes, then
the pixels given the codes.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.models.vq.coder import ImageCoder
from course_utils.tasks import absent


class CodeLength(NamedTuple):
    """Length of a picture's description in nats, in two parts.

    Attributes:
        codes: -log p(c(x)).
        pixels: -log p(x | c(x)).
    """

    codes: Float[Tensor, " batch"]
    pixels: Float[Tensor, " batch"]


class CodeModel(nn.Module):
    """Pictures drawn by way of codes: c from the prior, x from the decoder given c.

    Args:
        coder: A trained coder.
        prior: An autoregressive model of rows of ``coder.num_places`` codes, such as a
            ``GatedPixelCNN`` over the map of a ``VQVAE`` or a ``GPT`` over both maps of a
            ``VQVAE2``.

    Raises:
        ArgumentError: The prior is over rows of another length or another number of codes.

    Source:
        [oord2017neural] section 3.3 and [razavi2019generating] section 3.2.
    """

    def __init__(self, coder: ImageCoder, prior: AutoregressiveModel):
        super().__init__()
        if prior.num_variables != coder.num_places:
            raise ArgumentError(
                f"prior: expected a model of {coder.num_places} codes, got {prior.num_variables}"
            )
        if prior.head.num_levels != coder.num_codes:
            raise ArgumentError(
                f"prior: expected {coder.num_codes} values a code, got {prior.head.num_levels}"
            )
        self.coder, self.prior = coder, prior

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, "given_rows given"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "samples length"]:
        """Draw x ~ p(x): codes from the prior, then every pixel from the decoder.

        Args:
            num_samples: Number of independent samples.
            condition: The first codes of the prior's order, one row for each sample or one for
                all.
            generator: Source of randomness.

        Returns:
            Levels in raster order.

        Accuracy:
            Exact.
        """
        codes = self.prior.sample(num_samples, condition=condition, generator=generator)
        with torch.no_grad():
            return self.coder.head.sample(self.coder.decode(codes), generator)

    def code_length(self, x: Int[Tensor, "batch length"]) -> CodeLength:
        """Return the two parts of the description of each picture, in nats."""
        codes = self.coder.encode(x)
        return CodeLength(-self.prior.log_prob(codes), -self.coder.log_prob_given(x, codes))

    def elbo(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        """Return log p(c(x)) + log p(x | c(x)) <= log p(x), in nats per picture.

        Accuracy:
            Lower bound; the gap is -log p(c(x) | x).
        """
        length = self.code_length(x)
        return -(length.codes + length.pixels)

    def loss(self, batch: Int[Tensor, "batch length"]) -> dict[str, Tensor]:
        """Return the mean description length, which trains prior and decoder for fixed codes.

        Returns:
            ``total``: mean of -elbo, nats per picture, at least the cross-entropy.
            ``codes``, ``pixels``: its two parts.
        """
        length = self.code_length(batch)
        codes, pixels = length.codes.mean(), length.pixels.mean()
        return {"total": codes + pixels, "codes": codes, "pixels": pixels}

    def posterior(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch places codes"]:
        """Return the coder's q(c | x), all mass on c(x).

        Accuracy:
            Estimate of p(c | x), which is proportional to p(c) p(x | c) over all K^N maps.
        """
        return self.coder.posterior(x)

    log_prob = absent(
        "score",
        "p(x) sums over all maps of codes; elbo(x) keeps the term of the encoder's own.",
        "the chapter on priors over codes (week 4)",
    )
