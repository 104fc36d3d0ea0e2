"""Learning a codebook by batches of all the data, beside k-means of scikit-learn."""

import torch

from benchmarks.race import Program, Work
from course_utils.models.vq import VectorQuantiser


def _lloyd() -> tuple[Program, Program]:
    from sklearn.cluster import KMeans

    generator = torch.Generator().manual_seed(0)
    data = torch.randn(20_000, 8, generator=generator, dtype=torch.float64)
    start = data[:64].clone()
    steps = 20
    peer = KMeans(64, init=start.numpy(), n_init=1, tol=0, max_iter=steps, algorithm="lloyd")

    def ours() -> torch.Tensor:
        quantiser = VectorQuantiser(64, 8, decay=0.0).double()
        quantiser.codebook.copy_(start)
        for _ in range(steps):
            quantiser.follow(data, quantiser.codes(data))
        return quantiser.codebook

    return ours, lambda: peer.fit(data.numpy()).cluster_centers_


def _nearest() -> tuple[Program, Program]:
    from sklearn.metrics import pairwise_distances_argmin

    generator = torch.Generator().manual_seed(0)
    data = torch.randn(20_000, 16, generator=generator, dtype=torch.float64)
    quantiser = VectorQuantiser(256, 16).double()
    codes = quantiser.codebook.numpy()
    return (
        lambda: quantiser.codes(data).double(),
        lambda: pairwise_distances_argmin(data.numpy(), codes).astype(float),
    )


WORK = (
    Work("lloyd", "20 Lloyd steps, 64 codes, 20,000 points in 8 dimensions", "sklearn", _lloyd),
    Work("nearest", "nearest of 256 codes, 20,000 points in 16 dimensions", "sklearn", _nearest),
)
