"""The published formats, on small fakes written by another road; the pins by their shape."""

import dataclasses
import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch

from course_utils.datasets import (
    DataMismatchError,
    cifar10,
    downloads,
    fashion_mnist,
    mnist,
    shakespeare,
)

SETS = (*downloads.MNIST, *downloads.FASHION_MNIST, downloads.CIFAR10, downloads.SHAKESPEARE)


def idx(array: np.ndarray) -> bytes:
    """An array in IDX format: two zeros, type 8 for bytes, number of axes, sizes, values."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def place(monkeypatch, folder, names, contents):
    """Put fakes into the folder and pin them in place of the real files."""
    pinned = []
    for source, content in zip(names, contents, strict=True):
        (folder / source.file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        pinned.append(dataclasses.replace(source, sha256=digest, num_bytes=len(content)))
    return tuple(pinned)


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(("load", "name"), [(mnist, "MNIST"), (fashion_mnist, "FASHION_MNIST")])
def test_idx_sets(monkeypatch, tmp_path, numbers, load, name):
    images, tests = (
        numbers.integers(256, size=(60, 28, 28)),
        numbers.integers(256, size=(10, 28, 28)),
    )
    labels, test_labels = numbers.integers(10, size=60), numbers.integers(10, size=10)
    contents = [idx(part) for part in (images, labels, tests, test_labels)]
    sources = place(monkeypatch, tmp_path, getattr(downloads, name), contents)
    monkeypatch.setattr(downloads, name, sources)
    data = load(folder=tmp_path)
    np.testing.assert_array_equal(torch.cat([data.train, data.validation]), images)
    np.testing.assert_array_equal(torch.cat([data.train_labels, data.validation_labels]), labels)
    np.testing.assert_array_equal(data.test, tests)
    np.testing.assert_array_equal(data.test_labels, test_labels)
    assert len(data.validation) == 5
    assert data.train.dtype == torch.uint8 and data.train_labels.dtype == torch.int64
    assert (data.num_levels, len(data.class_names)) == (256, 10)


def tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_cifar_records_are_a_label_and_three_planes(monkeypatch, tmp_path, numbers):
    """Batches stand in the archive in another order than they are numbered."""
    images = numbers.integers(256, size=(6, 4, 3, 32, 32), dtype=np.uint8)
    labels = numbers.integers(10, size=(6, 4), dtype=np.uint8)

    def batch(k):
        return b"".join(bytes([labels[k, i]]) + images[k, i].tobytes() for i in range(4))

    files = {f"data_batch_{k + 1}.bin": batch(k) for k in (2, 0, 4, 1, 3)}
    content = tar({"readme.html": b"hello", "test_batch.bin": batch(5), **files})
    (source,) = place(monkeypatch, tmp_path, [downloads.CIFAR10], [content])
    monkeypatch.setattr(downloads, "CIFAR10", source)
    data = cifar10(folder=tmp_path)
    np.testing.assert_array_equal(
        torch.cat([data.train, data.validation]), images[:5].reshape(20, 3, 32, 32)
    )
    np.testing.assert_array_equal(
        torch.cat([data.train_labels, data.validation_labels]), labels[:5].ravel()
    )
    np.testing.assert_array_equal(data.test, images[5])
    assert len(data.validation) == 2


def test_shakespeare_is_cut_in_three_and_can_be_read_back(monkeypatch, tmp_path):
    play = "".join(f"Speaker {i}: words, words, words.\n" for i in range(40))
    (source,) = place(monkeypatch, tmp_path, [downloads.SHAKESPEARE], [play.encode()])
    monkeypatch.setattr(downloads, "SHAKESPEARE", source)
    text = shakespeare(folder=tmp_path)
    parts = (text.train, text.validation, text.test)
    assert "".join(text.decode(part) for part in parts) == play
    assert [len(part) for part in parts] == [
        int(0.9 * len(play)),
        int(0.95 * len(play)) - int(0.9 * len(play)),
        len(play) - int(0.95 * len(play)),
    ]
    assert torch.equal(text.encode("words"), text.encode("words,")[:5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"\0\0\x0d\x03" + bytes(12)), "expected an IDX file, got magic number 3331"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05" + b"123"), "expected 13 bytes, got 11"),
    ],
    ids=["other format", "too short"],
)
def test_damaged_idx_files_are_one_clear_line(tmp_path, content, message):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataMismatchError) as error:
        downloads._read_idx(path)
    assert str(error.value) == f"images.gz: {message}"


def test_incomplete_cifar_archives_are_one_clear_line(monkeypatch, tmp_path):
    for files, message in (
        ({"test_batch.bin": bytes(3073)}, "expected data_batch_1.bin inside, got"),
        ({"test_batch.bin": bytes(3072)}, "expected records of 3073 bytes, got 3072 bytes"),
    ):
        (source,) = place(monkeypatch, tmp_path, [downloads.CIFAR10], [tar(files)])
        monkeypatch.setattr(downloads, "CIFAR10", source)
        with pytest.raises(DataMismatchError, match=message):
            cifar10(folder=tmp_path)


def test_pins_are_well_formed_and_files_do_not_collide():
    assert len({source.file for source in SETS}) == len(SETS)
    for source in SETS:
        assert len(source.urls) >= 2 and len(set(source.urls)) == len(source.urls)
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.num_bytes > 1000 and source.licence
        ending = source.file.split("-", 1)[-1] if source.file[0] in "mf" else source.file
        assert source is downloads.SHAKESPEARE or all(u.endswith(ending) for u in source.urls)
