"""Fetching from servers that behave well, badly and not at all; they run in this process."""

import errno
import gzip
import hashlib
import multiprocessing
import os
import re
import socket
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from course_utils.arguments import ArgumentError
from course_utils.datasets import download
from course_utils.datasets.download import DownloadError, Source, data_folder, fetch

CONTENT = gzip.compress(np.random.default_rng(0).bytes(300_000), mtime=0)
GARBAGE = bytes(len(CONTENT))
SIZE, HALF = len(CONTENT), len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><title>Please log in</title>"
DEADLINE = 30.0
IMPATIENT = 0.5


class Behaviour(BaseHTTPRequestHandler):
    """One method for each path; ``start`` is the first byte asked for."""

    def do_GET(self):
        name, bounds = self.path.strip("/"), self.headers.get("Range", "")
        start = int(re.fullmatch(r"bytes=(\d+)-", bounds)[1]) if bounds else 0
        self.server.asked.append((name, start))
        if len(self.server.asked) > 1:
            self.server.asked_again.set()
        getattr(self, name)(start)

    def answer(self, code, body, headers=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.server.num_sent += len(body)

    def good(self, start, stop=None):
        headers = {"Content-Length": SIZE - start}
        if start:
            headers["Content-Range"] = f"bytes {start}-{SIZE - 1}/{SIZE}"
        self.answer(206 if start else 200, CONTENT[start:stop], headers)

    def whole(self, start, stop=None):
        self.answer(200, CONTENT[:stop], {"Content-Length": SIZE})

    def cuts_once(self, start):
        self.good(start, stop=None if start else HALF)

    def cuts_often(self, start):
        self.good(start, stop=start + SIZE // 10)

    def cuts_at_once(self, start):
        self.good(start, stop=start)

    def cuts_once_and_ignores_range(self, start):
        self.whole(start, stop=None if start else HALF)

    def silent(self, start):
        self.server.released.wait()

    def stalls(self, start):
        self.good(start, stop=HALF)
        self.server.released.wait()

    def pauses(self, start):
        self.good(start, stop=HALF)
        self.server.released.wait()
        self.wfile.write(CONTENT[HALF:])

    def garbage(self, start):
        self.answer(200, GARBAGE, {"Content-Length": SIZE})

    def too_long(self, start):
        self.answer(200, CONTENT + b"more", {"Content-Length": SIZE + 4})

    def too_short(self, start):
        self.answer(200, CONTENT[:-1], {"Content-Length": SIZE - 1})

    def too_long_unannounced(self, start):
        self.answer(200, CONTENT + GARBAGE)
        self.server.released.wait()

    def too_short_unannounced(self, start):
        self.answer(200, CONTENT[:-1])

    def web_page(self, start):
        self.answer(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})

    def web_page_as_bytes(self, start):
        self.answer(200, PAGE, {"Content-Length": len(PAGE)})

    def shifted_range(self, start):
        headers = {"Content-Range": f"bytes {start + 1}-{SIZE - 1}/{SIZE}"}
        self.answer(206, CONTENT[start:], headers) if start else self.good(start)

    def range_of_another_file(self, start):
        headers = {"Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE + 1}"}
        self.answer(206, CONTENT[start:], headers) if start else self.good(start)

    def no_such_range(self, start):
        self.answer(416, b"") if start else self.good(start)

    def unasked_range(self, start):
        self.answer(206, CONTENT, {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"})

    def unknown_total(self, start):
        headers = {"Content-Range": f"bytes {start}-{SIZE - 1}/*"}
        self.answer(206, CONTENT[start:], headers)

    def missing(self, start):
        self.answer(404, PAGE)

    def broken(self, start):
        self.answer(500, PAGE)

    def moved(self, start):
        self.answer(302, b"", {"Location": "/good"})

    def circles(self, start):
        self.answer(302, b"", {"Location": "/circles"})

    def labelled_compressed(self, start):
        headers = {"Content-Length": SIZE, "Content-Encoding": "gzip"}
        self.answer(200, CONTENT, headers)

    def compresses(self, start):
        as_is = self.headers["Accept-Encoding"] == "identity"
        body = CONTENT if as_is else gzip.compress(CONTENT)
        self.answer(200, body, {} if as_is else {"Content-Encoding": "gzip"})

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Counts what is asked for and sent; ``released`` lets waiting answers go on."""

    daemon_threads = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Behaviour)
        self.asked, self.num_sent = [], 0
        self.asked_again, self.released = threading.Event(), threading.Event()

    def handle_error(self, request, client_address):
        """A client may hang up."""

    def source(self, *names: str) -> Source:
        return source(*(f"http://127.0.0.1:{self.server_port}/{name}" for name in names))


def source(*urls: str) -> Source:
    return Source("data.gz", urls, SHA256, SIZE, "none")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=partial(running.serve_forever, 0.01), daemon=True)
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def get(tmp_path):
    """``fetch`` into the test's folder, without a bar."""
    return partial(fetch, folder=tmp_path, timeout=DEADLINE, progress=False)


def part_in(folder: Path) -> Path:
    return folder / "data.gz.part"


def test_fetches_once_then_needs_no_network(server, get, tmp_path):
    path = get(server.source("good"))
    assert path == tmp_path / "data.gz"
    assert path.read_bytes() == CONTENT
    assert not part_in(tmp_path).exists()
    assert get(server.source("good")) == path
    assert server.asked == [("good", 0)]


def test_a_file_placed_by_hand_is_used_and_nothing_is_written(get, tmp_path):
    (tmp_path / "data.gz").write_bytes(CONTENT)
    assert get(source()).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["data.gz"]


@pytest.mark.parametrize("damaged", [CONTENT[:-1], GARBAGE])
def test_a_damaged_file_is_replaced(server, get, tmp_path, damaged):
    (tmp_path / "data.gz").write_bytes(damaged)
    assert get(server.source("good")).read_bytes() == CONTENT


def test_a_damaged_file_stays_until_a_right_one_is_there(server, get, tmp_path):
    (tmp_path / "data.gz").write_bytes(GARBAGE)
    digest = hashlib.sha256(GARBAGE).hexdigest()[:12]
    with pytest.raises(DownloadError, match=f"data.gz: sha256 {digest}…, expected another\n"):
        get(server.source("missing"))
    assert (tmp_path / "data.gz").read_bytes() == GARBAGE


@pytest.mark.parametrize("name", ["moved", "labelled_compressed", "compresses"])
def test_unusual_answers_that_hold_the_file(server, get, name):
    assert get(server.source(name)).read_bytes() == CONTENT


def test_a_cut_connection_is_continued_at_the_same_address(server, get):
    assert get(server.source("cuts_once", "good")).read_bytes() == CONTENT
    assert server.asked == [("cuts_once", 0), ("cuts_once", HALF)]
    assert server.num_sent == SIZE


def test_an_address_that_cuts_again_and_again_is_left(server, get):
    assert get(server.source("cuts_often", "good")).read_bytes() == CONTENT
    starts = [i * (SIZE // 10) for i in range(7)]
    assert server.asked == [*(("cuts_often", start) for start in starts[:6]), ("good", starts[6])]
    assert server.num_sent == SIZE


def test_an_address_that_cuts_without_a_byte_is_left_at_once(server, get):
    assert get(server.source("cuts_at_once", "good")).read_bytes() == CONTENT
    assert server.asked == [("cuts_at_once", 0), ("good", 0)]


def test_a_server_that_ignores_range_begins_anew(server, get):
    name = "cuts_once_and_ignores_range"
    assert get(server.source(name)).read_bytes() == CONTENT
    assert server.asked == [(name, 0), (name, HALF)]


def test_silent_and_stalling_servers_are_left(server, get):
    assert get(server.source("silent", "stalls", "good"), timeout=IMPATIENT).read_bytes() == CONTENT
    names, starts = zip(*server.asked, strict=True)
    assert names == ("silent", "stalls", "good")
    assert starts[1] == 0 < starts[2] <= HALF


REFUSALS = {
    "silent": f"no answer within {IMPATIENT} s",
    "garbage": f"sha256 {hashlib.sha256(GARBAGE).hexdigest()[:12]}…, expected another",
    "too_long": f"{SIZE + 4} bytes, expected {SIZE}",
    "too_short": f"{SIZE - 1} bytes, expected {SIZE}",
    "too_long_unannounced": f"too many bytes, expected {SIZE}",
    "too_short_unannounced": f"{SIZE - 1} bytes, expected {SIZE}",
    "web_page": "a web page in place of the file",
    "web_page_as_bytes": f"{len(PAGE)} bytes, expected {SIZE}",
    "cuts_at_once": f"connection cut after 0 of {SIZE} bytes",
    "unasked_range": "HTTP 206 Partial Content",
    "missing": "HTTP 404 Not Found",
    "broken": "HTTP 500 Internal Server Error",
    "circles": "TooManyRedirects",
}


def patience(name: str) -> float:
    """Long on a busy machine, except for a server that never answers."""
    return IMPATIENT if name == "silent" else DEADLINE


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wrong_answer_is_named_and_leaves_nothing(server, get, tmp_path, name):
    wrong = server.source(name)
    with pytest.raises(DownloadError) as caught:
        get(wrong, timeout=patience(name))
    assert f"\n  {wrong.urls[0]}: {REFUSALS[name]}\n" in str(caught.value)
    assert not part_in(tmp_path).exists() or not part_in(tmp_path).read_bytes()
    assert not (tmp_path / "data.gz").exists()


@pytest.mark.parametrize("name", sorted(REFUSALS.keys() - {"circles"}))
def test_after_a_wrong_answer_the_next_address_is_asked_for_all(server, get, name):
    assert get(server.source(name, "good"), timeout=patience(name)).read_bytes() == CONTENT
    assert server.asked == [(name, 0), ("good", 0)]


def test_a_plain_server_gives_no_secure_connection(server, get):
    (url,) = server.source("good").urls
    with pytest.raises(DownloadError, match="/good: no secure connection\n"):
        get(source(url.replace("http:", "https:")))


@pytest.mark.parametrize("name", ["shifted_range", "range_of_another_file", "no_such_range"])
def test_a_server_that_cannot_continue_begins_anew(server, get, tmp_path, name):
    part_in(tmp_path).write_bytes(CONTENT[:HALF])
    assert get(server.source(name)).read_bytes() == CONTENT
    assert server.asked == [(name, HALF), (name, 0)]


def test_a_range_of_unknown_total_is_taken(server, get, tmp_path):
    part_in(tmp_path).write_bytes(CONTENT[:HALF])
    assert get(server.source("unknown_total")).read_bytes() == CONTENT
    assert server.num_sent == SIZE - HALF


@pytest.mark.parametrize(
    ("part", "starts"),
    [
        pytest.param(CONTENT, [], id="whole"),
        pytest.param(CONTENT[:-1], [SIZE - 1], id="all but one byte"),
        pytest.param(CONTENT + b"x", [0], id="too long"),
        pytest.param(GARBAGE, [0], id="whole and wrong"),
        pytest.param(GARBAGE[:HALF], [HALF, 0], id="begun by another file"),
    ],
)
def test_whatever_part_an_earlier_run_left(server, get, tmp_path, part, starts):
    part_in(tmp_path).write_bytes(part)
    assert get(server.source("good")).read_bytes() == CONTENT
    assert server.asked == [("good", start) for start in starts]


def test_an_address_that_refuses_takes_nothing_from_the_part(server, get, tmp_path):
    part_in(tmp_path).write_bytes(CONTENT[:HALF])
    kept = f"\n{HALF} bytes have arrived and are kept; another call continues there\\.$"
    with pytest.raises(DownloadError, match=kept):
        get(server.source("missing", "web_page", "too_short"))
    assert part_in(tmp_path).read_bytes() == CONTENT[:HALF]


class FullDisk(FileIO):
    """A file on a disk with room for two thirds of the content."""

    def write(self, data):
        if self.tell() + len(data) > 2 * SIZE // 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_full_disk_is_one_line_and_the_part_is_continued(server, get, tmp_path, monkeypatch):
    really_open = Path.open

    def open_on_full_disk(path, mode="r", **options):
        is_part = path == part_in(tmp_path)
        return FullDisk(path, mode) if is_part else really_open(path, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_on_full_disk)
        with pytest.raises(DownloadError) as caught:
            get(server.source("good", "good"))
    assert str(caught.value) == (
        f"data.gz: cannot keep '{tmp_path / 'data.gz'}': No space left on device; "
        "make room there or set COURSE_DATA to another folder"
    )
    kept = part_in(tmp_path).read_bytes()
    assert 0 < len(kept) <= 2 * SIZE // 3 and CONTENT.startswith(kept)
    assert get(server.source("good")).read_bytes() == CONTENT
    assert server.asked == [("good", 0), ("good", len(kept))]


def test_a_folder_below_a_file_is_one_line(server, tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below" / "data.gz"
    with pytest.raises(DownloadError) as caught:
        fetch(server.source("good"), folder=path.parent)
    assert str(caught.value) == (
        f"data.gz: cannot keep '{path}': Not a directory; "
        "make room there or set COURSE_DATA to another folder"
    )
    assert server.asked == []


def test_a_folder_closed_to_us_is_one_line(server, get, monkeypatch):
    """Simulated where the lock is opened, because no folder is closed to an administrator."""

    def refuse(*args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(download, "FileLock", refuse)
    with pytest.raises(DownloadError, match=r"^data\.gz: cannot keep '.*': Permission denied; "):
        get(server.source("good"))


def fetch_and_report(connection, wanted: Source, folder: Path) -> None:
    """What a child process does: tell that it begins and each time bytes are written."""

    class Bar(download.tqdm):
        def update(self, n=1):
            if n:
                connection.send("written")

    download.tqdm = Bar
    connection.send("begins")
    fetch(wanted, folder=folder, timeout=DEADLINE, progress=False)


@pytest.fixture
def children():
    """Start child processes, which share one import of the package, and end them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([download.__name__])
    started = []

    def start(wanted: Source, folder: Path):
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=fetch_and_report, args=(there, wanted, folder))
        child.start()
        there.close()
        started.append((child, here))
        return child, here

    yield start
    for child, here in started:
        child.kill()
        child.join()
        child.close()
        here.close()


def hear(connection, message: str) -> None:
    assert connection.poll(DEADLINE)
    assert connection.recv() == message


def test_a_killed_download_is_continued(server, get, tmp_path, children):
    child, connection = children(server.source("stalls"), tmp_path)
    hear(connection, "begins")
    hear(connection, "written")
    child.kill()
    child.join()
    assert not (tmp_path / "data.gz").exists()
    kept = part_in(tmp_path).read_bytes()
    assert 0 < len(kept) <= HALF and CONTENT.startswith(kept)
    assert get(server.source("good")).read_bytes() == CONTENT
    assert server.asked == [("stalls", 0), ("good", len(kept))]


def test_of_two_processes_one_fetches_and_the_other_finds(server, tmp_path, children):
    first, reports = children(server.source("pauses"), tmp_path)
    hear(reports, "begins")
    hear(reports, "written")
    second, reports = children(server.source("pauses"), tmp_path)
    hear(reports, "begins")
    assert not server.asked_again.wait(0.3)
    server.released.set()
    for child in (first, second):
        child.join(DEADLINE)
        assert child.exitcode == 0
    assert (tmp_path / "data.gz").read_bytes() == CONTENT
    assert server.asked == [("pauses", 0)]


def test_offline_the_message_says_what_to_do(get, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(DownloadError) as caught:
            get(source(f"{url}/a", f"{url}/b"))
    assert str(caught.value) == (
        "data.gz: no address gave this file\n"
        f"  {url}/a: no connection\n"
        f"  {url}/b: no connection\n"
        "Get it from one of the addresses in another way and place it at\n"
        f"  {tmp_path / 'data.gz'}\n"
        f"({SIZE} bytes, sha256 {SHA256}),\n"
        "or set COURSE_DATA to a folder that holds it."
    )


@pytest.mark.parametrize("name", ["good", "cuts_once_and_ignores_range", "no_such_range"])
@pytest.mark.parametrize("part", [b"", CONTENT[:HALF]], ids=["new", "continued"])
def test_the_bar_ends_full(server, get, tmp_path, capsys, name, part):
    part_in(tmp_path).write_bytes(part)
    get(server.source(name), progress=True)
    last = capsys.readouterr().err.split("\r")[-1]
    assert last.startswith("data.gz: 100%")


def test_no_bar_unless_wanted_and_needed(server, get, capsys):
    get(server.source("good"))
    get(server.source("good"), progress=True)
    assert capsys.readouterr().err == ""


def test_the_folder_is_the_users_choice_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    (tmp_path / "data.gz").write_bytes(CONTENT)
    assert fetch(source()) == tmp_path / "data.gz"
    monkeypatch.setenv("COURSE_DATA", "~/data")
    assert data_folder() == Path.home() / "data"
    monkeypatch.setenv("COURSE_DATA", "")
    assert data_folder().name == "course_utils"


def test_the_timeout_is_a_positive_number(get, as_user):
    with pytest.raises(ArgumentError, match=r"^timeout: expected a number > 0, got 0$"):
        get(source(), timeout=0)
