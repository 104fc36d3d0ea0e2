"""The data are the ones the course was written with, and a reader is told when they are not."""

import hashlib
import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch

from course_utils.arguments import ArgumentError
from course_utils.datasets import DataMismatchError, digits, docstring_text, docstrings
from course_utils.datasets.text import _split


@pytest.fixture(scope="module")
def manifest() -> dict:
    return json.loads(resources.files("course_utils").joinpath("_data/docstrings.json").read_text())


@pytest.fixture(scope="module")
def library(manifest, tmp_path_factory) -> Path:
    """A standard library of links to this Python's files, in which a test may replace some."""
    root = tmp_path_factory.mktemp("stdlib")
    for file in manifest["files"]:
        link = root / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(docstrings.standard_library() / file)
    return root


def replace(link: Path, text: str) -> None:
    link.unlink()
    link.write_text(text)


def test_digits_are_scikit_learns_in_its_order():
    data, raw = digits(), sklearn.datasets.load_digits()
    images = torch.cat([data.train, data.validation, data.test])
    labels = torch.cat([data.train_labels, data.validation_labels, data.test_labels])
    np.testing.assert_array_equal(images, raw.images)
    np.testing.assert_array_equal(labels, raw.target)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1000, 350, 447]
    assert images.dtype == torch.int64
    assert images.unique().tolist() == list(range(data.num_levels))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the manifest covers Python 3.9 to 3.13")
def test_text_is_the_one_of_the_manifest(manifest):
    text = docstring_text()
    whole = [text.decode(part) for part in (text.train, text.validation, text.test)]
    assert text.num_missing == 0
    assert sum(map(len, whole)) == manifest["num_characters"]
    assert text.num_documents == sum(part.count("\n") for part in whole)
    hashes = [named for file in manifest["files"].values() for named in file.values()]
    found = [
        hashlib.sha256(document.encode()).hexdigest()[:12]
        for part in whole
        for document in part.splitlines()
    ]
    assert sorted(found) == sorted(hashes)


def test_text_uses_its_whole_alphabet_and_reads_back():
    text = docstring_text()
    assert text.num_symbols == len(set(text.alphabet)) == 32
    assert set(text.train.tolist()) == set(range(32))
    assert text.decode(text.encode("it's a test.\n")) == "it's a test.\n"
    for part in (text.train, text.validation, text.test):
        assert part.dtype == torch.int64 and part[-1] == 0
        torch.testing.assert_close(text.encode(text.decode(part[:500])), part[:500])


def test_held_out_documents_are_not_copies_of_training_documents():
    text = docstring_text()
    train = text.decode(text.train)
    seen = {train[i : i + 40] for i in range(len(train))}
    for part in (text.validation, text.test):
        for document in text.decode(part).splitlines():
            windows = {document[i : i + 40] for i in range(len(document) - 39)}
            assert len(windows & seen) < len(windows) / 2
        assert 0.07 < len(part) / len(text.train) < 0.18


def test_changed_documents_are_left_out_and_move_no_other(library):
    source = (library / "timeit.py").read_text()
    replace(library / "timeit.py", source.replace(" the ", " that "))
    replace(library / "secrets.py", "")
    changed, original = docstring_text(library), docstring_text()
    assert 5 <= changed.num_missing <= 20
    for name in ("train", "validation", "test"):
        part, full = (t.decode(getattr(t, name)).splitlines() for t in (changed, original))
        remaining = iter(full)
        assert all(document in remaining for document in part)


def test_a_different_library_gives_one_clear_line(library, tmp_path):
    with pytest.raises(DataMismatchError) as caught:
        docstring_text(tmp_path)
    message = str(caught.value)
    assert message.startswith("docstring text: expected at least 95 % of ")
    assert f"got 0 in {tmp_path}" in message and "\n" not in message


def test_cleaning_keeps_prose_and_drops_code():
    docstring = (
        "Return the *best* x.\n\n"
        "Don't wait (unless told to):  the `queue' is \"full\"; see Queue() -- it\n"
        "may block!\n\n"
        "    >>> code\n\n"
        "A list of 3 things.\n\nNo full stop here"
    )
    wanted = "don't wait, the queue is full, see queue - it may block."
    assert docstrings.clean(docstring) == wanted
    assert set(docstrings.clean(docstring)) <= set(docstrings.ALPHABET)


def test_manifest_takes_only_what_all_versions_share():
    long = ["the first document is long enough to be taken into the text of the course."]
    long.append("a second one that is as long but reads differently in another version of it.")
    one = {"a.py": {"f": long[0], "g": long[1]}, "b.py": {"h": long[0], "i": "short."}}
    two = {"a.py": {"f": long[0], "g": long[1] + " now."}, "b.py": one["b.py"]}
    made = docstrings.make_manifest([one, two])
    assert made["files"] == {"a.py": {"f": hashlib.sha256(long[0].encode()).hexdigest()[:12]}}
    assert made["num_characters"] == len(long[0]) + 1
    assert made["sha256"] == hashlib.sha256((long[0] + "\n").encode()).hexdigest()


def test_split_depends_on_the_document_alone():
    documents = [f"document {i}.\n" for i in range(1000)]
    parts, fewer = _split(documents), _split(documents[::2])
    for part, subset in zip(parts, fewer, strict=True):
        assert set(subset) <= set(part)
    assert sum(map(len, parts)) == 1000 and 50 < len(parts[2]) < 150


def test_unknown_symbols_are_named(as_user):
    with pytest.raises(ArgumentError, match=r"got \['É', 'é'\]$"):
        docstring_text().encode("Éé")
