"""What travels between the grader and a process it does not trust, and what is refused."""

import json
import os
import struct
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from course_utils.grading.wire import MOST_DEPTH, Channel, WireError, decode, encode

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers(-9, 9)), inner, max_size=4),
    ),
    max_leaves=20,
)


def parts(frame):
    first, second = struct.unpack(">II", frame[:8])
    assert len(frame) == 8 + first + second
    return frame[8 : 8 + first], frame[8 + first :]


def again(value):
    return decode(*parts(encode(value)))


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_a_value_comes_back_with_its_types(value):
    back = again(value)
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int64", "bool"])
def test_a_tensor_comes_back_bit_for_bit(dtype):
    value = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).T
    back = again([value, {"w": value[:, :1]}])
    assert torch.equal(back[0], value) and back[0].dtype == value.dtype
    assert torch.equal(back[1]["w"], value[:, :1])


def test_nan_infinities_and_empty_tensors_come_back():
    back = again(torch.tensor([float("nan"), float("inf"), -0.0]))
    assert back.isnan()[0] and back[1] == float("inf") and torch.signbit(back[2])
    assert again(torch.empty(0, 3)).shape == (0, 3)
    assert again([float("-inf")]) == [float("-inf")]
    assert again(torch.nn.Parameter(torch.ones(2))).requires_grad is False


def test_a_tensor_that_cannot_travel_keeps_its_shape_and_dtype():
    odd = [torch.ones(2, 3).to_sparse(), torch.ones(4, dtype=torch.complex64)]
    back = again(odd)
    assert [tuple(t.shape) for t in back] == [(2, 3), (4,)]
    assert back[1].is_complex() and all(t.is_meta for t in back)


def test_whole_numbers_without_end_become_infinite():
    assert again([10**400, -(10**400)]) == [float("inf"), float("-inf")]


def test_halves_of_characters_are_replaced():
    assert again(["a\ud800b", {"\udfff": 1}]) == ["a?b", {"?": 1}]


def test_what_cannot_travel_becomes_a_handle_or_an_error():
    thing = object()
    frame = encode([thing], lambda found: "here" if found is thing else None)
    assert decode(*parts(frame), handle=str.upper) == ["HERE"]
    with pytest.raises(WireError, match="type object"):
        encode([thing])
    with pytest.raises(WireError, match="unknown kind"):
        decode(*parts(frame))


def loop():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        loop(),
        [0] * 30_000,
        "x" * 2**21,
        torch.empty(2**24, dtype=torch.float64).expand(2, -1),
        b"x" * (2**26 + 1),
    ],
    ids=["loop", "items", "text", "tensor", "bytes"],
)
def test_too_much_is_not_written(value):
    with pytest.raises(WireError, match="more than"):
        encode(value)


def nested(depth):
    return b"[" * depth + b"]" * depth


WEIGHTS = save({"t0": torch.ones(2)})


@pytest.mark.parametrize(
    ("tree", "tensors"),
    [
        (b"", b""),
        (b"{", b""),
        (b"\xff\xfe", b""),
        (b"{}", b""),
        (b'{"list": [], "tuple": []}', b""),
        (b'{"pickle": "x"}', b""),
        (b'{"tuple": "abc"}', b""),
        (b'{"dict": [[1]]}', b""),
        (b'{"dict": [[[1], 2]]}', b""),
        (b'{"dict": [[1.5, 2]]}', b""),
        (b'{"tensor": "t0"}', b""),
        (b'{"tensor": ["t0"]}', WEIGHTS),
        (b'[{"tensor": "t0"}, {"tensor": "t0"}]', WEIGHTS),
        (b'{"tensor": "t0"}', WEIGHTS[:-1]),
        (b'{"tensor": "t0"}', b"\xff" * 40),
        (b'{"tensor": "t0"}', b"\0"),
        (b'{"tensor": "t0"}', save({"t0": torch.ones(2, dtype=torch.complex64)})),
        (b'{"shape": [[2, -1], "float32"]}', b""),
        (b'{"shape": [[2, "3"], "float32"]}', b""),
        (b'{"shape": [[2], "no_such_dtype"]}', b""),
        (b'{"handle": 3}', b""),
        (b"9" * 30, b""),
        (b"9" * 5000, b""),
        (nested(MOST_DEPTH + 3), b""),
        (nested(100_000), b""),
        (b"[" + b"0," * 30_000 + b"0]", b""),
    ],
    ids=lambda value: value[:24].decode("latin-1"),
)
def test_what_encode_does_not_write_is_refused(tree, tensors):
    with pytest.raises(WireError):
        decode(tree, tensors)


def test_a_truth_value_is_zero_or_one():
    data = bytearray(save({"t0": torch.tensor([True, False, True])}))
    data[-3:] = bytes([7, 0, 255])
    value = decode(b'{"tensor": "t0"}', bytes(data))
    assert value.view(torch.uint8).tolist() == [1, 0, 1]


@pytest.fixture
def pipe():
    source, sink = os.pipe()
    yield source, sink
    for descriptor in (source, sink):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_frames_arrive_one_by_one(pipe):
    channel = Channel(*pipe)
    for value in ({"a": torch.ones(3)}, [1], "x"):
        channel.send(encode(value))
    tree, tensors = channel.receive(time.monotonic() + 5)
    assert torch.equal(decode(tree, tensors)["a"], torch.ones(3))
    assert decode(*channel.receive()) == [1] and decode(*channel.receive()) == "x"


@pytest.mark.parametrize("lengths", [(2**32 - 1, 0), (2, 2**32 - 1), (2**20 + 1, 0)])
def test_a_length_is_judged_before_anything_is_read(pipe, lengths):
    os.write(pipe[1], struct.pack(">II", *lengths))
    with pytest.raises(WireError, match="too long"):
        Channel(*pipe).receive(time.monotonic() + 5)


def test_a_frame_that_never_ends_is_given_up(pipe):
    os.write(pipe[1], struct.pack(">II", 10, 0) + b"[1")
    with pytest.raises(TimeoutError):
        Channel(*pipe).receive(time.monotonic() + 0.05)


def test_a_reader_that_never_reads_is_given_up(pipe):
    frame = encode(torch.zeros(2**20))
    with pytest.raises(TimeoutError):
        Channel(*pipe).send(frame, time.monotonic() + 0.05)


def test_a_closed_pipe_is_the_end(pipe):
    os.write(pipe[1], struct.pack(">II", 10, 0) + b"[1")
    os.close(pipe[1])
    with pytest.raises(EOFError):
        Channel(pipe[0], os.open(os.devnull, os.O_WRONLY)).receive()
    source, sink = os.pipe()
    os.close(source)
    with pytest.raises(EOFError):
        Channel(pipe[0], sink).send(encode(json.dumps([1])))
    os.close(sink)
