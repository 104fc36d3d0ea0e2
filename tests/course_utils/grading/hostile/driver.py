"""Grade hostile submissions one after another, inside the outer guard, and say what happened.

    python driver.py ISOLATION CASE [CASE ...]

Each case is printed as two lines of JSON: its name before, its outcome after. A grader that was
ended in between leaves only the first.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from unittest import mock

import guard
import psutil
from files import file_of
from table import CPU_SECONDS, GRACE, SEED, STEPS, WALL_SECONDS

warnings.simplefilter("ignore")
PORT = 45454
QUESTION = "w01-entropy-rate"
SUBMISSIONS = Path("/tmp/submissions")


def own_state() -> list:
    """What another process might change of this one."""
    return [
        resource.getrlimit(resource.RLIMIT_NOFILE),
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
    ]


def strangers() -> list[psutil.Process]:
    """Processes in the guard that are neither of the guard nor this one or what it relies on."""
    known = {1, os.getpid(), os.getppid()}
    return [process for process in psutil.process_iter() if process.pid not in known]


def left_behind(before: set[int]) -> list[str]:
    """What a submission left: processes, shared memory, files. Clears it away for the next one.

    Args:
        before: Processes that were there before it, and belong to the grader.
    """
    left = []
    for process in [process for process in strangers() if process.pid not in before]:
        if process.status() != psutil.STATUS_ZOMBIE:
            left.append(f"process {process.name()}")
        process.send_signal(signal.SIGKILL)
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        left.append("shared memory")
        ctypes.CDLL(None).shmctl(int(line.split()[1]), 0, None)  # remove it
    known = {"victims", "submissions", *guard.ROOT.parts[2:3]}
    for folder in ("/dev/shm", "/tmp"):
        for path in Path(folder).iterdir():
            if path.name not in known:
                left.append(f"file {path}")
                subprocess.run(["rm", "-r", "-f", "--", str(path)], capture_output=True)
    return left


def touched(texts: dict[str, str]) -> list[str]:
    """Which of the grader's files are not as they were, or not alone."""
    changed = [
        p for p, text in texts.items() if not Path(p).exists() or Path(p).read_text() != text
    ]
    found = {str(path) for path in guard.VICTIMS.rglob("*") if not path.is_dir()}
    return changed + sorted(found - set(texts))


def grade(name: str, isolation: str, server: socket.socket) -> dict:
    """Grade one case, and look around afterwards."""
    from course_utils.grading import engine, remote
    from course_utils.grading.limits import MIB, Limits

    limits = Limits(
        cpu_seconds=STEPS * CPU_SECONDS,
        wall_seconds=STEPS * WALL_SECONDS,
        memory_bytes=900 * MIB,
        processes=16,
        file_bytes=16 * MIB,
    )
    SUBMISSIONS.mkdir(exist_ok=True)
    suffix, data = file_of(name.removesuffix(" again"))
    path = SUBMISSIONS / f"{name}{suffix}"
    path.write_bytes(data)
    before = {process.pid for process in strangers()}  # a helper of the grader's may stay
    texts, state, began = guard.victims(), own_state(), time.monotonic()
    shorter = mock.patch.multiple(engine, _SHARE=STEPS), mock.patch.multiple(remote, _GRACE=GRACE)
    with shorter[0], shorter[1]:
        result = engine.grade_submission(
            path, "week01", seed=SEED, isolation=isolation, limits=limits
        )
    seconds = time.monotonic() - began
    kept = result["questions"][QUESTION]["score"]
    told = {
        "case": name,
        "kept": kept,
        "forged": result["score"] - kept,
        "notes": result["notes"],
        "messages": {key: mark["message"] for key, mark in result["questions"].items()},
        "seconds": round(seconds, 1),
        "left": [] if name == "honest" else left_behind(before),
        "touched": touched(texts),
        "changed": own_state() != state,
        "connected": connected(server),
    }
    shutil.rmtree(guard.VICTIMS, ignore_errors=True)
    return told


def connected(server: socket.socket) -> bool:
    """Whether somebody has called."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def main() -> None:
    """Grade the cases that are named on the command line."""
    guard.enter()
    isolation, *names = sys.argv[1:]
    os.environ["HOME"] = str(guard.VICTIMS / "home")
    with socket.create_server(("127.0.0.1", PORT)) as server:
        server.setblocking(False)
        for name in ["honest", *names]:  # first, so that what stays with the grader is there
            print(json.dumps({"begins": name}), flush=True)
            print(json.dumps(grade(name, isolation, server)), flush=True)


if __name__ == "__main__":
    main()
