"""VQ-VAE: an autoencoder whose middle is a map of codes [oord2017neural]."""

from jaxtyping import Int
from torch import Tensor

from course_utils.arguments import check_int
from course_utils.models.vq.coder import Features, ImageCoder, quantise_map
from course_utils.models.vq.quantiser import Quantised, VectorQuantiser
from course_utils.nets.resampling import growing, shrinking


class VQVAE(ImageCoder):
    """Encoder, one codebook, decoder.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: L, values of a pixel.
        num_codes: K.
        dim: D, the size of a code.
        channels: C of the convolutions.
        num_halvings: n; the map of codes has H / 2^n rows and W / 2^n columns.
        num_blocks: Residual blocks on either side.
        **learning: ``commitment``, ``decay``, ``revive_below`` and ``spread`` of
            ``VectorQuantiser``.

    Raises:
        ArgumentError: A size is out of range, or H or W is not a multiple of 2^n.

    Source:
        [oord2017neural], with a categorical decoder in place of a Gaussian one.
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
        self.map_shape = (height // factor, width // factor)
        places = self.map_shape[0] * self.map_shape[1]
        super().__init__(height, width, num_levels, num_codes, places, factor)
        self.encoder = shrinking(1, channels, dim, num_halvings, num_blocks=num_blocks)
        self.quantiser = VectorQuantiser(num_codes, dim, **learning)
        self.decoder = growing(dim, channels, num_levels, num_halvings, num_blocks=num_blocks)

    def quantise(self, picture: Features) -> Quantised:
        """Return the nearest code at each place of the encoder's map."""
        return quantise_map(self.quantiser, self.encoder(picture))

    def look_up(self, codes: Int[Tensor, "batch places"]) -> Features:
        """Return the map of codes as vectors."""
        return self.quantiser.look_up(codes).transpose(1, 2).unflatten(2, self.map_shape)
