"""The outer guard holds whatever happens inside it, without any help of the sandbox under test."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import guard  # noqa: E402

if why := guard.missing():
    pytest.skip(why, allow_module_level=True)

KINDS = [False] if guard.missing(as_root=True) else [False, True]
ENTERED = "import sys; sys.path.insert(0, sys.argv[1]); import guard; guard.enter()\n"

OUTSIDE = """
import os, socket
shown = {"1", str(os.getpid()), str(os.getppid())}
assert {name for name in os.listdir("/proc") if name.isdigit()} == shown
places = ["/", "/etc", "/usr", "/var/tmp", str(guard.ROOT), os.path.expanduser("~"), "/home"]
for place in [*places, "/sys/kernel", "/proc/sys/kernel", "/dev/mapper", "/root", sys.prefix]:
    try:
        open(os.path.join(place, "mark"), "w")
    except OSError:
        continue
    raise SystemExit(f"wrote to {place}")
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError:
    print("held")
"""

RIGHTS = """
import ctypes, os
kernel = ctypes.CDLL(None, use_errno=True)
asked = {
    "mount": lambda: kernel.mount(b"none", b"/tmp", b"tmpfs", 0, 0),
    "remount": lambda: kernel.mount(b"/", b"/", None, 0x1020, 0),
    "umount": lambda: kernel.umount2(b"/tmp", 2),
    "reboot": lambda: kernel.reboot(0),
    "chroot": lambda: kernel.chroot(b"/tmp"),
    "name": lambda: kernel.sethostname(b"x", 1),
    "swap": lambda: kernel.swapoff(b"/"),
    "device": lambda: kernel.mknod(b"/tmp/disk", 0o60666, 0x0800),
    "namespaces of the first process": lambda: kernel.setns(os.open("/proc/1/ns/mnt", 0), 0),
    "end the first process": lambda: kernel.kill(1, 9) or 1,
}
for name, ask in asked.items():
    try:
        assert ask() != 0, name
    except OSError:
        pass
for path in ("/etc/shadow", "/etc/passwd", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        continue
    raise SystemExit(f"opened {path}")
for change in (lambda: os.chown("/etc/passwd", 0, 0), lambda: os.chmod("/etc/passwd", 0o666)):
    try:
        change()
    except OSError:
        continue
    raise SystemExit("changed a file of the machine")
print("held")
"""

OTHER_USERS = """
import os
open("/tmp/mine", "w").close()
child = os.fork()
if child == 0:
    os.setgroups([])
    os.setresgid(61184, 61184, 61184)
    os.setresuid(61184, 61184, 61184)
    for path in ("/tmp/mine", "/etc/shadow"):
        try:
            os.close(os.open(path, os.O_WRONLY))
        except OSError:
            continue
        os._exit(1)
    try:
        os.setresuid(0, 0, 0)
    except OSError:
        os._exit(0)
    os._exit(2)
print(os.waitpid(child, 0)[1])
"""

TASKS = """
import os, time
count = 0
try:
    while count < 1000:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        count += 1
except OSError:
    pass
print(count < guard.TASKS)
"""


def run(code: str, as_root: bool) -> tuple[str, str]:
    """What a few lines print that run under the guard."""
    words = guard.words("-c", ENTERED + code, str(HERE), as_root=as_root)
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize("as_root", KINDS)
def test_nothing_outside_is_seen_written_or_called(as_root):
    assert run(OUTSIDE, as_root) == ("held", "")


@pytest.mark.parametrize("as_root", KINDS)
def test_it_has_no_rights_over_the_machine(as_root):
    assert run(RIGHTS, as_root) == ("held", "")


@pytest.mark.parametrize("as_root", KINDS)
def test_processes_without_end_come_to_an_end(as_root):
    assert run(TASKS, as_root) == ("True", "")


@pytest.mark.parametrize("as_root", KINDS)
def test_its_user_is_nobody_on_the_machine(as_root):
    words = guard.words("-c", ENTERED + "input()", str(HERE), as_root=as_root)
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        found = _users_of_descendants(process.pid, wanted=1)
        process.communicate(b"\n", timeout=60)
    expected = guard.FIRST_USER if os.geteuid() == 0 else os.geteuid()
    assert all(user >= expected for user in found)


def _users_of_descendants(pid: int, wanted: int) -> list[int]:
    """The users, as the machine sees them, of the processes that run the inner program."""
    import psutil

    end = time.monotonic() + 60
    while time.monotonic() < end:
        below = psutil.Process(pid).children(recursive=True)
        inner = [p for p in below if "input()" in "".join(p.cmdline()[:5]) and p.name() != "bwrap"]
        inner = [p for p in inner if p.name().startswith("python") and p.uids().real != 0]
        if len(inner) >= wanted:
            return [p.uids().real for p in inner] + [p.uids().saved for p in inner]
        time.sleep(0.02)
    raise AssertionError("the program did not start")


@pytest.mark.skipif(len(KINDS) == 1, reason="only root can give the outer guard a root of its own")
def test_its_root_can_become_others_who_cannot_come_back():
    assert run(OTHER_USERS, as_root=True) == ("0", "")


def test_two_guards_do_not_share_a_user():
    first, second = guard.words("-c", ""), guard.words("-c", "")
    assert (first == second) == (os.geteuid() != 0)


def test_a_guard_ends_with_who_started_it():
    starter = f"""
import subprocess, sys, time
sys.path.insert(0, {str(HERE)!r})
import guard
words = guard.words("-c", "import time; print('on', flush=True); time.sleep(600)")
subprocess.Popen(words, stdout=sys.stdout)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"on\n"
        process.kill()
        assert process.stdout.read() == b""  # the last that could write has ended


def test_nothing_is_graded_outside_of_it():
    done = subprocess.run(
        [sys.executable, str(HERE / "driver.py"), "plain", "honest"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("graded under the outer guard only\n")
