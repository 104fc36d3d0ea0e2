"""Setting up fails with one clear line that says what to do."""

import sys
import tomllib

import pytest

import setup_environment
from chapters import ROOT


def test_old_python_is_told_so(monkeypatch, capsys):
    monkeypatch.setattr(setup_environment.sys, "version_info", (3, 10, 2))
    with pytest.raises(SystemExit) as stop:
        setup_environment.main([".venv"])
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("Python: expected 3.11 or newer, got 3.10 (")
    assert message.endswith("try make PYTHON=python3.11 ...\n")


def test_failed_install_names_the_step(capsys):
    with pytest.raises(SystemExit):
        setup_environment.run("PyTorch", [sys.executable, "-c", "print('no route'); exit(3)"])
    last = capsys.readouterr().err.splitlines()
    assert last == [
        "no route",
        "setup: PyTorch could not be installed; check the network and the disk, then try again",
    ]


def test_unwritable_place_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "venv").write_text("in the way")
    monkeypatch.setattr(setup_environment, "install", lambda *_: None)
    with pytest.raises(SystemExit):
        setup_environment.main([str(tmp_path / "venv")])
    assert "setup: cannot write" in capsys.readouterr().err


def test_pins_of_torch_agree(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert setup_environment.pinned("torch") == "2.13.0"
    with (ROOT / "requirements.lock").open() as file:
        assert "torch==2.13.0" in file.read().splitlines()


def test_peers_that_cannot_be_had_stop_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setup_environment.subprocess, "call", lambda *_, **__: 1)
    setup_environment.main(["--peers", str(tmp_path)])
    said = capsys.readouterr().out
    assert "the driver of a browser could not be installed; tests with them" in said
    assert not (tmp_path / ".peers").exists()


def test_peers_once_installed_are_remembered(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(setup_environment.subprocess, "call", lambda c, **_: asked.append(c) or 0)
    setup_environment.main(["--peers", str(tmp_path)])
    assert (tmp_path / ".peers").exists()
    assert [command[-1] for command in asked] == [".[benchmarks]", ".[site]"]
    assert all("requirements.lock" in command for command in asked)


def test_one_extra_that_cannot_be_had_takes_no_other_with_it(tmp_path, monkeypatch, capsys):
    def install(command, **_):
        return int(command[-1] == ".[benchmarks]")

    monkeypatch.setattr(setup_environment.subprocess, "call", install)
    setup_environment.main(["--peers", str(tmp_path)])
    said = capsys.readouterr().out
    assert "the libraries to compare with could not be installed" in said
    assert "browser could not" not in said
    assert not (tmp_path / ".peers").exists()


def test_every_peer_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text().lower()
    extras = project["optional-dependencies"]
    for name in [name for extra in setup_environment.LOCKED for name in extras[extra]]:
        assert f"\n{name.lower()}==" in lock, name
