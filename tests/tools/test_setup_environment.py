"""Setting up fails with one clear line that says what to do."""

import sys

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
