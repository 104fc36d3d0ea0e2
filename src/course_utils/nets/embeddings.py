r"""From data to vectors: symbols, patches of images, frames of sound.

A Transformer reads a sequence of vectors and asks nothing else of its data. A symbol k becomes row
k of a table, e = E_k, which is the product of its one-hot code with the table. An image is cut into
patches and a sound into frames, which are vectors already; a linear map then gives them the size
the network wants. Where tokens are needed instead, a vector is replaced by the number of the
nearest of K prototypes.
"""

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_tensor


def embed(
    tokens: Int[Tensor, "*batch"], table: Float[Tensor, "symbols dim"]
) -> Float[Tensor, "*batch dim"]:
    """Return row x of the table for every token x: the product onehot(x) E, without the zeros.

    Args:
        tokens: Symbols 0 .. V - 1.
        table: E, one row per symbol.

    Raises:
        ArgumentError: A token has no row.
    """
    check_tensor("tokens", tokens, dtype="integer", low=0, high=len(table) - 1)
    return functional.embedding(tokens, table)


def patchify(
    images: Num[Tensor, "batch channels height width"], size: int
) -> Num[Tensor, "batch patches values"]:
    """Cut images into squares of s x s pixels, and each square into one vector of C s s values.

    Args:
        images: Images; height and width are multiples of ``size``.
        size: s.

    Returns:
        (H/s)(W/s) patches in raster order; within one, channel, row and column as in the image.

    Raises:
        ArgumentError: ``size`` does not divide height and width.

    Source:
        [dosovitskiy2021image].
    """
    check_tensor("images", images, shape=("batch", "channels", "height", "width"), finite=False)
    check_int("size", size, low=1)
    batch, channels, height, width = images.shape
    if height % size or width % size:
        raise ArgumentError(f"size: expected a divisor of {height} and {width}, got {size}")
    cut = images.reshape(batch, channels, height // size, size, width // size, size)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpatchify(
    patches: Num[Tensor, "batch patches values"], size: int, *, height: int, width: int
) -> Num[Tensor, "batch channels height width"]:
    """Put patches together again, the inverse of ``patchify``.

    Args:
        patches: What ``patchify`` returned.
        size: s, the side of a patch.
        height: Rows of the image.
        width: Columns of the image.

    Raises:
        ArgumentError: The patches do not fill an image of this size.

    Accuracy:
        Exact; no number is computed, all are moved.
    """
    check_int("size", size, low=1)
    rows, columns = check_int("height", height) // size, check_int("width", width) // size
    check_tensor(
        "patches", patches, shape=("batch", rows * columns, "values"), dtype=None, finite=False
    )
    batch, _, values = patches.shape
    if values % size**2 or height % size or width % size:
        raise ArgumentError(
            f"size: expected patches of {size} x {size} pixels in an image of {height} x {width}, "
            f"got {values} values a patch"
        )
    cut = patches.reshape(batch, rows, columns, values // size**2, size, size)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, height, width)


def frames(
    wave: Float[Tensor, "batch samples"], size: int, hop: int | None = None
) -> Float[Tensor, "batch frames size"]:
    """Cut a sound into frames of ``size`` samples, one beginning every ``hop`` samples.

    Args:
        wave: Samples in time; what does not fill a last frame is left out.
        size: Samples of a frame.
        hop: Samples from one frame's start to the next; ``size`` if ``None``, without overlap.

    Raises:
        ArgumentError: The wave is shorter than a frame.
    """
    check_tensor("wave", wave, shape=("batch", "samples"), dtype="float", finite=False)
    check_int("size", size, low=1, high=wave.shape[1])
    return wave.unfold(1, size, check_int("hop", size if hop is None else hop, low=1, high=size))


def unframe(
    pieces: Float[Tensor, "batch frames size"], hop: int | None = None
) -> Float[Tensor, "batch samples"]:
    """Lay frames over each other at their places and average: undoes ``frames``.

    Args:
        pieces: What ``frames`` returned.
        hop: The same hop.

    Accuracy:
        Exact up to rounding, for the samples that lie in a frame.
    """
    check_tensor("pieces", pieces, shape=("batch", "frames", "size"), dtype="float", finite=False)
    _, count, size = pieces.shape
    hop = check_int("hop", size if hop is None else hop, low=1, high=size)
    place = torch.arange(count, device=pieces.device)[:, None] * hop
    place = (place + torch.arange(size, device=pieces.device)).flatten()
    total = pieces.new_zeros(len(pieces), (count - 1) * hop + size)
    total.index_add_(1, place, pieces.flatten(1))
    return total / torch.bincount(place)


def nearest_token(
    vectors: Float[Tensor, "*batch dim"], prototypes: Float[Tensor, "symbols dim"]
) -> Int[Tensor, "*batch"]:
    r"""Return the number of the nearest prototype, argmin_k \|v - c_k\|: a vector as a token.

    What is compared is \|c_k\|^2 / 2 - v . c_k, half the squared distance without the part that all
    prototypes share: one matrix product.

    Args:
        vectors: v.
        prototypes: c, one per row.

    Raises:
        ArgumentError: The vectors have another size, or (asked on the CPU only) are not finite.
    """
    on_cpu = vectors.device.type == "cpu"
    shape = ("...", prototypes.shape[1])
    check_tensor("vectors", vectors, shape=shape, dtype="float", finite=on_cpu)
    rows = vectors.reshape(-1, vectors.shape[-1])
    half_squares = prototypes.square().sum(1) / 2
    scores = torch.addmm(half_squares, rows, prototypes.T, alpha=-1)
    return scores.min(1).indices.reshape(vectors.shape[:-1])
