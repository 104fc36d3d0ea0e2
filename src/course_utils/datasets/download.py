"""How one file is fetched: several addresses, checked, resumed, and put in place whole or not.

What has arrived stands beside the file as ``<file>.part`` until its size and SHA-256 are right;
then it is forced to disk and renamed. So a broken connection, a killed process or a full disk costs
nothing that had arrived, and what a download leaves under the file's own name is right. A lock
beside it, ``<file>.lock``, lets one process fetch while others wait and then find the file.

A file is checked at every use, because that takes about a second per gigabyte, and a note that it
was checked once would hide that it was damaged since.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from platformdirs import user_cache_path
from requests import Response
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError, ReadTimeoutError

from course_utils.arguments import check_number
from course_utils.runtime import show_progress

_CHUNK = 2**16
_REQUESTS_PER_ADDRESS = 6


@dataclass(frozen=True)
class Source:
    """A file that can be fetched, pinned by its content.

    Attributes:
        file: Its name in the data folder.
        urls: Addresses of the same file, in the order they are tried.
        sha256: SHA-256 of its content, 64 hexadecimal digits.
        num_bytes: Size of its content.
        licence: Under which terms it may be used.
    """

    file: str
    urls: tuple[str, ...]
    sha256: str
    num_bytes: int
    licence: str


class DownloadError(RuntimeError):
    """A file is not here and cannot be fetched; the text says why and what to do."""


class _AddressError(Exception):
    """One address did not give the file; ``again`` says that a further request to it may."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def data_folder() -> Path:
    """Folder where fetched files are kept: ``COURSE_DATA``, else the user's cache folder."""
    chosen = os.environ.get("COURSE_DATA")
    return Path(chosen).expanduser() if chosen else user_cache_path("course_utils")


def fetch(
    source: Source,
    *,
    folder: Path | None = None,
    timeout: float = 20.0,
    progress: bool | None = None,
) -> Path:
    """Path of the file, which is fetched if it is not there yet.

    The addresses are tried in order. One that cuts the connection is asked for the rest a few times
    as long as bytes arrive; one that is silent or gives something else is left for the next.

    Args:
        source: Which file.
        folder: Where it is kept; ``data_folder()`` if not given.
        timeout: Seconds of silence, > 0, after which an address is left.
        progress: Whether to draw a bar; ``None`` as in ``training.fit``.

    Returns:
        A file whose size and SHA-256 are those of ``source``.

    Raises:
        ArgumentError: ``timeout`` is not such a number.
        DownloadError: No address gave the file, the disk is full, or the folder is closed to us.
            What had arrived is kept and continued next time.
    """
    check_number("timeout", timeout, low=0, open_low=True)
    path = (data_folder() if folder is None else folder) / source.file
    try:
        if _difference(path, source) is None:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            if _difference(path, source) is not None:
                _download(source, path, timeout, progress)
    except OSError as error:
        raise DownloadError(
            f"{source.file}: cannot keep '{path}': {error.strerror or error}; "
            "make room there or set COURSE_DATA to another folder"
        ) from None
    return path


def _difference(path: Path, source: Source) -> str | None:
    """What is wrong with the file, or ``None`` if it is the right one."""
    if not path.is_file():
        return "there is no such file"
    size = path.stat().st_size
    if size != source.num_bytes:
        return f"{size} bytes, expected {source.num_bytes}"
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return None if sha256 == source.sha256 else f"sha256 {sha256[:12]}…, expected another"


def _download(source: Source, path: Path, timeout: float, progress: bool | None) -> None:
    """Try the addresses until the part is whole, and give it its name."""
    part = path.with_name(f"{path.name}.part")
    failures = [f"{path}: {_difference(path, source)}"] if path.exists() else []
    with tqdm(
        total=source.num_bytes,
        desc=source.file,
        unit="B",
        unit_scale=True,
        disable=not show_progress(progress),
    ) as bar:
        for url in source.urls:
            try:
                _complete(part, source, url, timeout, bar)
                break
            except _AddressError as error:
                failures.append(f"{url}: {error}")
        else:
            raise DownloadError(_advice(source, path, failures, _size(part)))
    with part.open("r+b") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _complete(part: Path, source: Source, url: str, timeout: float, bar: tqdm) -> None:
    """Make the part whole from one address.

    A whole part with another hash is thrown away. If its beginning stood there before, that may be
    the fault of an earlier address, so this one gets another chance.
    """
    inherited = _size(part) > 0
    for remaining in reversed(range(_REQUESTS_PER_ADDRESS)):
        try:
            _receive(part, source, url, timeout, bar)
        except _AddressError as error:
            if not (error.again and remaining):
                raise
            continue
        difference = _difference(part, source)
        if difference is None:
            return
        part.unlink()
        if not (inherited and remaining):
            raise _AddressError(difference)
        inherited = False


def _receive(part: Path, source: Source, url: str, timeout: float, bar: tqdm) -> None:
    """One request for what the part lacks."""
    if _size(part) > source.num_bytes:
        part.unlink()
    start = _size(part)
    if start == source.num_bytes:
        return
    with _ask(url, start, timeout) as response:
        try:
            continues = _continues(response, start, source)
        except _AddressError as error:
            if error.again:
                part.unlink()
            raise
        _store(response, part, start if continues else 0, source, timeout, bar)


def _ask(url: str, start: int, timeout: float) -> Response:
    """The head of an answer that should hold the bytes from ``start`` on, not compressed."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return requests.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.Timeout:
        reason = f"no answer within {timeout:g} s"
    except requests.exceptions.SSLError:
        reason = "no secure connection"
    except requests.ConnectionError:
        reason = "no connection"
    except (requests.RequestException, HTTPError) as error:
        reason = type(error).__name__
    raise _AddressError(reason)


def _continues(response: Response, start: int, source: Source) -> bool:
    """Whether the answer continues the part or begins anew; refuse any other answer unread."""
    code, headers = response.status_code, response.headers
    if start and code == requests.codes.partial_content:
        came = headers.get("Content-Range", "")
        wanted = f"bytes {start}-{source.num_bytes - 1}/"
        if came not in (f"{wanted}{source.num_bytes}", f"{wanted}*"):
            raise _AddressError(f"Content-Range '{came}', expected '{wanted}…'", again=True)
        return True
    if code != requests.codes.ok:
        unsatisfiable = bool(start) and code == requests.codes.requested_range_not_satisfiable
        raise _AddressError(f"HTTP {code} {response.reason}", again=unsatisfiable)
    if headers.get("Content-Type", "").startswith("text/html"):
        raise _AddressError("a web page in place of the file")
    length = headers.get("Content-Length", str(source.num_bytes))
    if length != str(source.num_bytes):
        raise _AddressError(f"{length} bytes, expected {source.num_bytes}")
    return False


def _store(
    response: Response, part: Path, start: int, source: Source, timeout: float, bar: tqdm
) -> None:
    """Write the answer's bytes, undecoded, to the part from ``start`` on."""
    received = start
    bar.update(start - bar.n)
    try:
        with part.open("ab" if start else "wb") as file:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                received += len(chunk)
                if received > source.num_bytes:
                    break
                file.write(chunk)
                bar.update(len(chunk))
    except ReadTimeoutError:
        raise _AddressError(f"silent for {timeout:g} s after {received} bytes") from None
    except HTTPError:
        reason = f"connection cut after {received} of {source.num_bytes} bytes"
        raise _AddressError(reason, again=received > start) from None
    if received != source.num_bytes:
        part.unlink()
        amount = "too many" if received > source.num_bytes else received
        raise _AddressError(f"{amount} bytes, expected {source.num_bytes}")


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _advice(source: Source, path: Path, failures: list[str], kept: int) -> str:
    lines = [
        f"{source.file}: no address gave this file",
        *(f"  {failure}" for failure in failures),
        f"Get it from one of the addresses in another way and place it at\n  {path}",
        f"({source.num_bytes} bytes, sha256 {source.sha256}),",
        "or set COURSE_DATA to a folder that holds it.",
    ]
    if kept:
        lines.append(f"{kept} bytes have arrived and are kept; another call continues there.")
    return "\n".join(lines)
