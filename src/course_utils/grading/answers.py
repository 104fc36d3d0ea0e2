"""Calling a student's function and reading what it returns, with one sentence per surprise.

A file is handed in as its bytes, read by ``handed_in`` where the student's code runs. A name in
place of bytes means that no file could be read there. No judge opens a path, since a path that a
student chose could lead anywhere on the machine of whoever grades.
"""

import inspect
import math
import numbers
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from course_utils.grading.questions import Mistake, plain_sentence

MAX_FILE_BYTES = 2**24
"""Larger files are not read."""

_LONGEST = 200


def name_of(function: Any) -> str:
    """The name under which messages speak of a function."""
    return getattr(function, "__name__", type(function).__name__)


def call(function: Any, args: dict[str, Any]) -> Any:
    """Call a student's function twice on copies of the inputs and return what it returned.

    Args:
        function: The answer.
        args: The inputs by name, passed by position.

    Raises:
        Mistake: It is no function, takes other arguments, raises, changes an input, or returns
            something else the second time.
    """
    _check_signature(function, args)
    name = name_of(function)
    passed = {key: copied(value) for key, value in args.items()}
    first = _run(function, passed)
    for key, value in args.items():
        if not _same(passed[key], value):
            raise Mistake(
                "mutation", f"{name} changes its input {key} in place: work on a copy of it."
            )
    second = _run(function, {key: copied(value) for key, value in args.items()})
    if not _same(first, second):
        raise Mistake(
            "random",
            f"{name} gives two different results for the same input: does it draw random numbers, "
            "or keep something from one call to the next?",
        )
    return first


def _check_signature(function: Any, args: dict[str, Any]) -> None:
    if not callable(function) or isinstance(function, torch.nn.Module | type):
        raise Mistake(
            "not-a-function",
            f"expected the function itself, got {_kind(function)}: pass its name, without calling "
            "it.",
        )
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        name, wanted = name_of(function), ", ".join(args)
        raise Mistake(
            "signature",
            f"{name} is called as {name}({wanted}), but yours takes {inspect.signature(function)}.",
        ) from None
    except ValueError:
        return


def _run(function: Callable[..., Any], args: dict[str, Any]) -> Any:
    try:
        return function(*args.values())
    except NotImplementedError:
        raise Mistake("blank", f"{name_of(function)} is not written yet.") from None
    except (Exception, SystemExit) as error:
        raise Mistake("exception", _describe(error, function)) from error


def _describe(error: BaseException, function: Callable[..., Any]) -> str:
    lines = traceback.format_exception_only(error)[-1].strip().splitlines() or [""]
    what = _shorten(lines[0])
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename == file]
    if not mine:
        return f"{name_of(function)} raised {what}"
    code = f": `{mine[-1].line}`" if mine[-1].line else ""
    where = f"line {mine[-1].lineno}, in {mine[-1].name}{code}"
    return f"{name_of(function)} raised {what} ({where})"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."


def copied(value: Any) -> Any:
    """Return a value whose tensors are copies."""
    if isinstance(value, Tensor):
        return value.clone()
    return [copied(item) for item in value] if isinstance(value, list | tuple) else value


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.shape != right.shape or left.dtype != right.dtype:
            return False
        if _unreadable(left) or _unreadable(right):
            return True
        return torch.equal(torch.nan_to_num(left), torch.nan_to_num(right))
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(_same(a, b) for a, b in pairs)
    return isinstance(left, Tensor) == isinstance(right, Tensor)


def _unreadable(value: Tensor) -> bool:
    return value.layout != torch.strided or value.is_meta


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a value of type {type(value).__name__}"


def expect_tensor(name: str, value: Any, shape: tuple[int, ...], hint: str = "") -> Tensor:
    """Return ``value`` as a float64 tensor on the CPU if it is a dense real one of this shape.

    Args:
        name: What it is, as the student knows it.
        value: What came.
        shape: What was asked for.
        hint: A sentence that follows when the shape is wrong.

    Raises:
        Mistake: It is no tensor, has another shape, or is complex, sparse or without data.
    """
    if not isinstance(value, Tensor):
        raise Mistake("type", f"{name}: expected a tensor of shape {shape}, got {_kind(value)}.")
    if tuple(value.shape) != shape:
        message = f"{name}: expected shape {shape}, got {tuple(value.shape)}. {hint}"
        raise Mistake("shape", message.strip(), f"{plain_sentence('shape')} {hint}".strip())
    if value.is_complex() or _unreadable(value):
        kind = f"{value.dtype}, {value.layout}, on {value.device}"
        raise Mistake("dtype", f"{name}: expected a dense tensor of real numbers, got {kind}.")
    return value.detach().to("cpu", torch.float64)


def expect_floats(name: str, value: Any, shape: tuple[int, ...], hint: str = "") -> Tensor:
    """As ``expect_tensor``, and of a floating dtype.

    Raises:
        Mistake: As there, or its dtype is whole numbers or truth values.
    """
    tensor = expect_tensor(name, value, shape, hint)
    if not value.is_floating_point():
        raise Mistake("dtype", f"{name}: expected floating-point numbers, got {value.dtype}.")
    return tensor


def expect_finite(name: str, value: Tensor, hint: str = "", category: str = "nan") -> Tensor:
    """Return ``value`` if it holds neither NaN nor infinities.

    Raises:
        Mistake: It does; the sentence counts them.
    """
    bad = int((~torch.isfinite(value)).sum())
    if bad:
        message = f"{name}: {bad} of {value.numel()} values are NaN or infinite. {hint}"
        raise Mistake(category, message.strip(), f"{plain_sentence(category)} {hint}".strip())
    return value


def expect_parts(value: Any, parts: tuple[str, ...]) -> list[Any]:
    """Return the parts of a result that consists of several, in order.

    Args:
        value: What a function returned.
        parts: What was asked for, as a student knows it.

    Raises:
        Mistake: It is no tuple or list of that many.
    """
    if not isinstance(value, tuple | list) or len(value) != len(parts):
        text = f"{len(parts)} results are asked for: {', '.join(parts)}."
        raise Mistake("type", text, text)
    return list(value)


def expect_number(name: str, value: Any) -> float:
    """Return ``value`` as a float if it is one finite real number.

    Raises:
        Mistake: It is not.
    """
    if getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Mistake("type", f"{name}: expected one number, got {_kind(value)}.")
    if not math.isfinite(value):
        raise Mistake("nan", f"{name}: expected a finite number, got {value}.")
    return float(value)


def handed_in(answer: Any) -> Any:
    """Return the bytes of the file that an answer names, or the answer if there is none to read.

    Args:
        answer: What stands under the answer's variable; of a long file only the beginning is read.
    """
    if not isinstance(answer, str | os.PathLike):
        return answer
    try:
        with Path(answer).open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return answer


def read_weights(answer: Any) -> dict[str, Tensor]:
    """Return the tensors of a handed-in safetensors file by name.

    Raises:
        Mistake: It is a name, so there was no file; or no file's bytes, or bytes of another kind.
    """
    if isinstance(answer, str | os.PathLike):
        name = _shorten(Path(answer).name)
        raise Mistake("missing-file", f"there is no file {name!r}: save the weights first.")
    if not isinstance(answer, bytes):
        raise Mistake("type", f"expected the name of a .safetensors file, got {_kind(answer)}.")
    if len(answer) > MAX_FILE_BYTES:
        raise Mistake("size", f"the file is larger than {MAX_FILE_BYTES} bytes.")
    try:
        return load(answer)
    except (SafetensorError, ValueError, KeyError) as error:
        reason = _shorten(str(error).splitlines()[0])
        raise Mistake("not-safetensors", f"the file cannot be read: {reason}.") from error
