"""English prose, one symbol per character, the same for every reader."""

import contextlib
import functools
import gc
import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from course_utils.arguments import ArgumentError
from course_utils.datasets import docstrings

_MANIFEST = "_data/docstrings.json"
_SMALLEST_SHARE = 0.95


class DataMismatchError(RuntimeError):
    """A data set on this machine is not the one the course was written with."""


@dataclass(frozen=True, eq=False)
class Text:
    """Symbols 0 … V−1 of three sets of documents, each document closed by symbol 0.

    ``num_missing`` counts documents of the manifest that read differently on this Python and
    were left out; with 0 the text is exactly the one the course was written with.
    """

    train: Int[Tensor, " train"]
    validation: Int[Tensor, " validation"]
    test: Int[Tensor, " test"]
    alphabet: str
    source: str
    num_documents: int
    num_missing: int

    @property
    def num_symbols(self) -> int:
        """Size V of the alphabet, the end mark included."""
        return len(self.alphabet)

    def encode(self, text: str) -> Int[Tensor, " length"]:
        """Symbols of a string; the end mark (symbol 0) is a line feed."""
        unknown = sorted(set(text) - set(self.alphabet))
        if unknown:
            raise ArgumentError(f"text: expected symbols of {self.alphabet!r}, got {unknown}")
        return torch.tensor([self.alphabet.index(c) for c in text], dtype=torch.int64)

    def decode(self, tokens: Int[Tensor, " length"]) -> str:
        """String of a sequence of symbols."""
        return "".join(self.alphabet[i] for i in tokens.tolist())


@functools.cache
def docstring_text(root: Path | None = None) -> Text:
    """Prose from the docstrings of Python's standard library, split by document.

    Each document is looked up by the manifest's file and name and used if the hash of its cleaned
    text is the manifest's. A document's hash also decides its part (about 80 % training, 10 %
    validation, 10 % test), so a document that differs on some Python moves no other.

    Args:
        root: Folder of the standard library's sources; the running Python's without it.

    Returns:
        Symbols in int64 on the CPU; the same on every Python with ``num_missing == 0``.

    Raises:
        DataMismatchError: If fewer than 95 % of the documents match, or if all match one by one
            and the whole still differs.
    """
    manifest = json.loads(resources.files("course_utils").joinpath(_MANIFEST).read_text("utf-8"))
    root = root or docstrings.standard_library()
    wanted = sum(len(named) for named in manifest["files"].values())
    with _collector_paused():
        texts = _matching(root, manifest["files"])
    if len(texts) < _SMALLEST_SHARE * wanted:
        raise DataMismatchError(
            f"docstring text: expected at least 95 % of {wanted} documents to match the manifest, "
            f"got {len(texts)} in {root} (Python {platform.python_version()})"
        )
    closed = [text + docstrings.END for text in texts]
    whole = hashlib.sha256("".join(closed).encode()).hexdigest()
    if len(texts) == wanted and whole != manifest["sha256"]:
        raise DataMismatchError(
            f"docstring text: expected sha256 {manifest['sha256'][:12]}, got {whole[:12]}"
        )
    parts = _split(closed)
    return Text(
        *(_encode("".join(part)) for part in parts),
        alphabet=docstrings.ALPHABET,
        source="docstrings of Python's standard library (PSF licence)",
        num_documents=len(texts),
        num_missing=wanted - len(texts),
    )


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Parse without the cycle collector, which would take half the time and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _matching(root: Path, files: dict[str, dict[str, str]]) -> list[str]:
    """Texts of the manifest's documents that are on this machine, in the manifest's order."""
    texts = []
    for file, named in files.items():
        path = root / file
        found = dict(docstrings.documents(path)) if path.is_file() else {}
        candidates = ((found.get(name, ""), hashed) for name, hashed in named.items())
        texts += [text for text, hashed in candidates if docstrings.fingerprint(text) == hashed]
    return texts


def _split(closed: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Training, validation and test documents, by the last digit of their hash."""
    train, validation, test = [], [], []
    by_digit = [test, validation] + 8 * [train]
    for text in closed:
        by_digit[int(docstrings.fingerprint(text), 16) % 10].append(text)
    return train, validation, test


def _encode(text: str) -> Tensor:
    lookup = torch.zeros(128, dtype=torch.int64)
    lookup[list(docstrings.ALPHABET.encode())] = torch.arange(len(docstrings.ALPHABET))
    return lookup[torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long()]
