"""Labelled images in three parts, and the one set that needs no network: handwritten digits.

The digits are 1797 images of 8 × 8 pixels with 17 grey levels. They come with scikit-learn and are
discrete, so that a model's bits per pixel are exact and need no dequantisation.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Integer
from sklearn.datasets import load_digits
from torch import Tensor

NUM_LEVELS = 17
"""Grey levels of a pixel of the digits, 0 to 16."""

_SPLIT = (1000, 350, 447)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with values 0 … L−1 and their labels, in three parts that share no image.

    Attributes:
        train: Images to fit models to.
        validation: Images to choose settings and stopping times by.
        test: Images to judge by, once.
        train_labels: Class of each training image, 0 … C−1.
        validation_labels: Class of each validation image.
        test_labels: Class of each test image.
        num_levels: Number L of grey levels, or of levels per colour.
        class_names: What the C labels mean.
    """

    train: Integer[Tensor, "train *event"]
    validation: Integer[Tensor, "validation *event"]
    test: Integer[Tensor, "test *event"]
    train_labels: Int[Tensor, " train"]
    validation_labels: Int[Tensor, " validation"]
    test_labels: Int[Tensor, " test"]
    num_levels: int
    class_names: tuple[str, ...]


def digits() -> LabelledImages:
    """Handwritten digits in scikit-learn's order: first 1000, next 350, last 447.

    The order keeps writers together, so the test part holds writers the model has not seen; it is
    also the split that public notebooks with discrete autoregressive models use.

    Returns:
        Images of 8 × 8 values 0 … 16 (16 is ink) and labels, int64, on the CPU.

    Source:
        [alpaydin1998optical].
    """
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).long().split(_SPLIT)
    labels = torch.from_numpy(bunch.target).long().split(_SPLIT)
    return LabelledImages(*images, *labels, NUM_LEVELS, tuple("0123456789"))
