r"""VQ-VAE-2: a coarse map of codes, and a fine one chosen in its light [razavi2019generating].

    h_b = E_b(x)                    side / 2^n
    c_t = codes of E_t(h_b)         side / 2^(n + 1)
    c_b = codes of W [h_b, D_t(e_{c_t})]
    p(x | c_t, c_b) = D([e_{c_b}, up(e_{c_t})])

With n = 2 a picture of side 256 gets a bottom map of side 64 and a top map of side 32. Codes come
out as one row, the top map first, so that any autoregressive model of that row is a prior
p(c_t) p(c_b | c_t).
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from course_utils.arguments import check_int
from course_utils.models.vq.coder import Features, ImageCoder, quantise_map
from course_utils.models.vq.quantiser import Quantised, VectorQuantiser
from course_utils.nets.resampling import growing, shrinking


class VQVAE2(ImageCoder):
    """Two maps of codes with K codes each.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: L, values of a pixel.
        num_codes: K of either codebook.
        dim: D, the size of a code.
        channels: C of the convolutions.
        num_halvings: n of the bottom map; the top map is half as high and wide again.
        num_blocks: Residual blocks of each stack.
        **learning: ``commitment``, ``decay``, ``revive_below`` and ``spread`` of
            ``VectorQuantiser``.

    Attributes:
        top_shape: Rows and columns of the top map.
        bottom_shape: Rows and columns of the bottom map.

    Raises:
        ArgumentError: A size is out of range, or H or W is not a multiple of 2^(n + 1).

    Source:
        [razavi2019generating] section 3.1 and algorithm 1, with a categorical decoder.
    """

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        num_codes: int,
        dim: int = 8,
        channels: int = 32,
        *,
        num_halvings: int = 1,
        num_blocks: int = 1,
        **learning: float | None,
    ):
        factor = 2 ** check_int("num_halvings", num_halvings, low=0)
        self.bottom_shape = (height // factor, width // factor)
        self.top_shape = (height // (2 * factor), width // (2 * factor))
        self.num_top = self.top_shape[0] * self.top_shape[1]
        places = self.num_top + self.bottom_shape[0] * self.bottom_shape[1]
        super().__init__(height, width, num_levels, num_codes, places, 2 * factor)
        blocks = {"num_blocks": num_blocks}
        self.bottom_encoder = shrinking(1, channels, channels, num_halvings, **blocks)
        self.top_encoder = shrinking(channels, channels, dim, 1, **blocks)
        self.top_decoder = growing(dim, channels, channels, 1, **blocks)
        self.merge = nn.Conv2d(2 * channels, dim, 1)
        self.top_quantiser = VectorQuantiser(num_codes, dim, **learning)
        self.bottom_quantiser = VectorQuantiser(num_codes, dim, **learning)
        self.up = nn.ConvTranspose2d(dim, dim, 4, stride=2, padding=1)
        self.decoder = growing(2 * dim, channels, num_levels, num_halvings, **blocks)

    def quantise(self, picture: Features) -> Quantised:
        """Return the codes of both maps, the top one first, and the decoder's input."""
        fine = self.bottom_encoder(picture)
        top = quantise_map(self.top_quantiser, self.top_encoder(fine))
        both = torch.cat([fine, self.top_decoder(top.vectors)], 1)
        bottom = quantise_map(self.bottom_quantiser, self.merge(both))
        return Quantised(
            torch.cat([top.codes, bottom.codes], 1),
            self._join(top.vectors, bottom.vectors),
            top.codebook_loss + bottom.codebook_loss,
            top.commitment_loss + bottom.commitment_loss,
        )

    def look_up(self, codes: Int[Tensor, "batch places"]) -> Features:
        """Return the decoder's input for a top map and a bottom map in one row."""
        top, bottom = self.split(codes)
        return self._join(
            self.top_quantiser.look_up(top).movedim(-1, 1),
            self.bottom_quantiser.look_up(bottom).movedim(-1, 1),
        )

    def split(
        self, codes: Int[Tensor, "batch places"]
    ) -> tuple[Int[Tensor, "batch rows columns"], Int[Tensor, "batch rows2 columns2"]]:
        """Return the top and the bottom map of a row of codes."""
        top, bottom = codes[:, : self.num_top], codes[:, self.num_top :]
        return top.unflatten(1, self.top_shape), bottom.unflatten(1, self.bottom_shape)

    def _join(self, top: Tensor, bottom: Tensor) -> Tensor:
        return torch.cat([bottom, self.up(top)], 1)
