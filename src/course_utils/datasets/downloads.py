"""Sets that are too large to come with a package: fetched on first use, checked, and kept.

| set           | images                             | on disk | licence            |
| ------------- | ---------------------------------- | ------- | ------------------ |
| MNIST         | 70,000 of 28 × 28, 10 digits       | 12 MB   | CC BY-SA 3.0       |
| Fashion-MNIST | 70,000 of 28 × 28, 10 garments     | 31 MB   | MIT                |
| CIFAR-10      | 60,000 of 3 × 32 × 32, 10 classes  | 170 MB  | none stated        |
| Shakespeare   | 1,115,394 characters of the plays  | 1 MB    | public domain text |

Every file is pinned by its size and SHA-256. The test part is the one the set was published with;
the validation part is the end of its training part. Offline the error says which file to put where.
"""

import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.datasets.download import Source, fetch
from course_utils.datasets.images import LabelledImages
from course_utils.datasets.text import DataMismatchError, Text

_IDX_IMAGES, _IDX_LABELS = 2051, 2049
_CIFAR_RECORD = 1 + 3 * 32 * 32

_MNIST_URLS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
_FASHION_URLS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
_CIFAR_URLS = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
)


def _sources(
    urls: tuple[str, ...], prefix: str, licence: str, files: dict[str, tuple[int, str]]
) -> tuple[Source, ...]:
    """Files of one set; ``prefix`` keeps equal names of different sets apart."""
    return tuple(
        Source(prefix + file, tuple(url + file for url in urls), sha256, num_bytes, licence)
        for file, (num_bytes, sha256) in files.items()
    )


MNIST = _sources(
    _MNIST_URLS,
    "mnist-",
    "CC BY-SA 3.0",
    {
        "train-images-idx3-ubyte.gz": (
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
)
"""The four files of MNIST, with their mirrors, hashes and licence."""

FASHION_MNIST = _sources(
    _FASHION_URLS,
    "fashion-",
    "MIT",
    {
        "train-images-idx3-ubyte.gz": (
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)
"""The four files of Fashion-MNIST."""

(CIFAR10,) = _sources(
    _CIFAR_URLS,
    "",
    "none stated",
    {
        "cifar-10-binary.tar.gz": (
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        )
    },
)
"""The binary files of CIFAR-10, in one archive."""
SHAKESPEARE = Source(
    "shakespeare.txt",
    (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt",
    ),
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    1115394,
    "public domain",
)
"""One megabyte of Shakespeare's plays, as one text file."""

_GARMENTS = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_THINGS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def mnist(*, folder: Path | None = None) -> LabelledImages:
    """MNIST: 55,000 training, 5,000 validation and 10,000 test images of handwritten digits.

    Args:
        folder: Where the files are kept; ``data_folder()`` if not given.

    Returns:
        Images of 28 × 28 values 0 … 255 (255 is ink), uint8, and labels, int64, on the CPU.

    Raises:
        DownloadError: The files are not there and cannot be fetched; the text says what to do.
    """
    return _idx_set(MNIST, folder, tuple("0123456789"))


def fashion_mnist(*, folder: Path | None = None) -> LabelledImages:
    """Fashion-MNIST: as ``mnist``, with ten kinds of garments in place of the digits.

    Args:
        folder: Where the files are kept; ``data_folder()`` if not given.

    Returns:
        As ``mnist``.

    Raises:
        DownloadError: As for ``mnist``.
    """
    return _idx_set(FASHION_MNIST, folder, _GARMENTS)


def cifar10(*, folder: Path | None = None) -> LabelledImages:
    """CIFAR-10: 45,000 training, 5,000 validation and 10,000 test photographs in colour.

    Args:
        folder: Where the file is kept; ``data_folder()`` if not given.

    Returns:
        Images, axes (image, colour, row, column), values 0 … 255, uint8, and labels, on the CPU.

    Raises:
        DownloadError: As for ``mnist``.
    """
    parts: dict[str, tuple[Tensor, Tensor]] = {}
    with tarfile.open(fetch(CIFAR10, folder=folder), "r:gz") as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and name.endswith(".bin"):
                parts[name] = _cifar_batch(name, archive.extractfile(member).read())
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    missing = [name for name in (*names, "test_batch.bin") if name not in parts]
    if missing:
        raise DataMismatchError(f"{CIFAR10.file}: expected {missing[0]} inside, got {list(parts)}")
    images, labels = (torch.cat([parts[name][i] for name in names]) for i in (0, 1))
    return _assembled((images, labels), parts["test_batch.bin"], _THINGS)


def shakespeare(*, folder: Path | None = None) -> Text:
    """Plays of Shakespeare, one symbol per character: 90 % training, 5 % validation, 5 % test.

    Args:
        folder: Where the file is kept; ``data_folder()`` if not given.

    Returns:
        Three consecutive stretches of the text, int64, on the CPU.

    Raises:
        DownloadError: As for ``mnist``.
    """
    whole = fetch(SHAKESPEARE, folder=folder).read_text(encoding="utf-8")
    alphabet = "".join(sorted(set(whole)))
    numbers = {symbol: number for number, symbol in enumerate(alphabet)}
    tokens = torch.tensor([numbers[symbol] for symbol in whole])
    cuts = (int(0.9 * len(whole)), int(0.95 * len(whole)))
    return Text(
        *tokens.tensor_split(cuts),
        alphabet=alphabet,
        source="plays of William Shakespeare (public domain)",
        num_documents=1,
        num_missing=0,
    )


def _idx_set(
    sources: tuple[Source, ...], folder: Path | None, class_names: tuple[str, ...]
) -> LabelledImages:
    paths = [fetch(source, folder=folder) for source in sources]
    images, labels, test_images, test_labels = (_read_idx(path) for path in paths)
    return _assembled((images, labels.long()), (test_images, test_labels.long()), class_names)


def _assembled(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], class_names: tuple[str, ...]
) -> LabelledImages:
    """Cut the validation part off the end of the training part: one example in twelve, or ten."""
    images, labels = train
    held = len(test[0]) // 2
    return LabelledImages(
        images[:-held],
        images[-held:],
        test[0],
        labels[:-held],
        labels[-held:],
        test[1],
        256,
        class_names,
    )


def _read_idx(path: Path) -> Tensor:
    """Images or labels of a compressed IDX file: big-endian magic number, sizes, bytes."""
    data = gzip.decompress(path.read_bytes())
    (magic,) = struct.unpack_from(">I", data)
    if magic not in (_IDX_IMAGES, _IDX_LABELS):
        raise DataMismatchError(f"{path.name}: expected an IDX file, got magic number {magic}")
    num_axes = 3 if magic == _IDX_IMAGES else 1
    shape = struct.unpack_from(f">{num_axes}I", data, 4)
    start = 4 + 4 * num_axes
    wanted = start + int(np.prod(shape))
    if len(data) != wanted:
        raise DataMismatchError(f"{path.name}: expected {wanted} bytes, got {len(data)}")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).reshape(shape)


def _cifar_batch(name: str, data: bytes) -> tuple[Tensor, Tensor]:
    """Images and labels of one file: records of a label and three planes of 32 × 32."""
    if not data or len(data) % _CIFAR_RECORD:
        raise DataMismatchError(
            f"{name}: expected records of {_CIFAR_RECORD} bytes, got {len(data)} bytes"
        )
    records = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(-1, _CIFAR_RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()
