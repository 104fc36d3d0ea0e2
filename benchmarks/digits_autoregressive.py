"""Bits per dimension of autoregressive models on held-out digits, and the seconds they cost.

    python benchmarks/digits_autoregressive.py [--seeds 3]

The data are scikit-learn's 8 x 8 digits with 17 grey levels, in scikit-learn's order: the first
1000 images to train, the next 350 to choose (smoothing, and the step at which training stops), the
last 447 to test, once. Probabilities are of the discrete values themselves, so there is nothing to
dequantise. One CPU thread; seconds are processor time of the whole run, choice included.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.datasets import LabelledImages, digits
from course_utils.metrics.likelihood import Estimate, bits_per_dim, nats_per_example
from course_utils.models.autoregressive import MADE, AutoregressiveModel, NGram, WindowModel
from course_utils.training import fit

NUM_PIXELS = 64
SMOOTHINGS = (0.03, 0.1, 0.3, 1.0, 3.0)


class IndependentPixels:
    """p(x) = prod_i p_i(x_i), each pixel's histogram with add-a smoothing."""

    def __init__(self, images: Tensor, num_levels: int, smoothing: float) -> None:
        counts = torch.nn.functional.one_hot(images, num_levels).sum(0) + smoothing
        self._log_probs = (counts / counts.sum(-1, keepdim=True)).log()

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, one per image."""
        return self._log_probs[torch.arange(x.shape[1]), x].sum(-1)


def flat(images: Tensor) -> Tensor:
    """Return the images as rows of pixels in raster order."""
    return images.flatten(1)


def independent(data: LabelledImages, seed: int) -> IndependentPixels:
    """Histograms with the smoothing that the validation images like best."""
    models = [IndependentPixels(flat(data.train), 17, a) for a in SMOOTHINGS]
    return max(models, key=lambda model: model.log_prob(flat(data.validation)).mean())


def bigram(data: LabelledImages, seed: int) -> NGram:
    """Each pixel given the one before it in raster order, the same table everywhere."""
    models = [NGram(17, 1, a, length=NUM_PIXELS).fit_counts(flat(data.train)) for a in SMOOTHINGS]
    return max(models, key=lambda model: model.log_prob(flat(data.validation)).mean())


def train(
    model: AutoregressiveModel, data: LabelledImages, seed: int, **options
) -> AutoregressiveModel:
    """Fit on the training images; keep the averaged weights that do best on validation."""
    validation = flat(data.validation)
    fit(
        model,
        flat(data.train),
        warmup_steps=50,
        clip_norm=None,
        validate=lambda m: m.loss(validation)["total"].item(),
        generator=torch.Generator().manual_seed(seed),
        progress=False,
        **options,
    )
    return model


def made(data: LabelledImages, seed: int) -> MADE:
    """One masked network over all pixels."""
    torch.manual_seed(seed)
    model = MADE(NUM_PIXELS, (128,), num_levels=17, encoding="scaled", direct=True, dropout=0.5)
    return train(
        model,
        data,
        seed,
        num_steps=1200,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=0.1,
        ema_decay=0.99,
        validate_every=100,
    )


def window(data: LabelledImages, seed: int) -> WindowModel:
    """One network for all pixels, on a causal window of radius 3."""
    torch.manual_seed(seed)
    model = WindowModel(8, 8, 17, radius=3, hidden=96, dropout=0.2)
    return train(
        model,
        data,
        seed,
        num_steps=1800,
        batch_size=16,
        learning_rate=3e-3,
        weight_decay=0.1,
        ema_decay=0.99,
        validate_every=150,
    )


MODELS: dict[str, Callable] = {
    "independent pixels": independent,
    "bigram in raster order": bigram,
    "MADE": made,
    "window model": window,
}
COUNTED = ("independent pixels", "bigram in raster order")


def measure(build: Callable, data: LabelledImages, seed: int) -> tuple[Estimate, Estimate, float]:
    """Return validation and test bits per dimension and CPU seconds of one run."""
    start = time.process_time()
    model = build(data, seed)
    seconds = time.process_time() - start
    with torch.no_grad():
        parts = [
            bits_per_dim(nats_per_example(model.log_prob(flat(part))), NUM_PIXELS)
            for part in (data.validation, data.test)
        ]
    return parts[0], parts[1], seconds


def main() -> None:
    """Print one line for each model and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = digits()
    print(f"{'model':24} {'seed':>4} {'validation':>16} {'test bits/dim':>16} {'CPU s':>6}")
    for name in arguments.models:
        for seed in range(1 if name in COUNTED else arguments.seeds):
            validation, test, seconds = measure(MODELS[name], data, seed)
            print(f"{name:24} {seed:4d} {validation!s:>16} {test!s:>16} {seconds:6.1f}")


if __name__ == "__main__":
    main()
