"""Handwritten digits: 1797 images of 8 × 8 pixels with 17 grey levels.

They come with scikit-learn, need no network, and are discrete, so that a model's bits per pixel
are exact and need no dequantisation.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from sklearn.datasets import load_digits
from torch import Tensor

NUM_LEVELS = 17
_SPLIT = (1000, 350, 447)


@dataclass(frozen=True, eq=False)
class Digits:
    """Images with values 0 … 16 (16 is ink) and their labels 0 … 9, in three parts."""

    train: Int[Tensor, "train 8 8"]
    validation: Int[Tensor, "validation 8 8"]
    test: Int[Tensor, "test 8 8"]
    train_labels: Int[Tensor, " train"]
    validation_labels: Int[Tensor, " validation"]
    test_labels: Int[Tensor, " test"]
    num_levels: int = NUM_LEVELS


def digits() -> Digits:
    """Handwritten digits in scikit-learn's order: first 1000, next 350, last 447.

    The order keeps writers together, so the test part holds writers the model has not seen; it is
    also the split that public notebooks with discrete autoregressive models use.

    Returns:
        Images and labels, int64, on the CPU.

    Source:
        [alpaydin1998optical].
    """
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).long().split(_SPLIT)
    labels = torch.from_numpy(bunch.target).long().split(_SPLIT)
    return Digits(*images, *labels)
