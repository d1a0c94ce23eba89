"""A foreign package under one of the project's names is refused before anything of it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conlora_agent.core.errors import Failure
from conlora_agent.environment import ROOT, TOP_LEVEL, check_environment


def test_every_room_of_this_checkout_is_looked_after_and_fine() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms - {"conlora_agent"} == set(TOP_LEVEL)
    check_environment()


def test_a_package_from_elsewhere_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shadowed_room").mkdir()
    (tmp_path / "shadowed_room" / "__init__.py").write_text("raise SystemError('was imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Failure, match="'shadowed_room' is taken from"):
        check_environment(["shadowed_room"], root=tmp_path / "checkout")


def test_a_distribution_is_named_as_what_to_uninstall() -> None:
    with pytest.raises(Failure, match="pip uninstall pytest"):
        check_environment(["pytest"])


def test_a_missing_room_is_named() -> None:
    with pytest.raises(Failure, match="make install"):
        check_environment(["no_such_room"])


def test_the_command_refuses_with_one_line_before_the_foreign_code_runs(tmp_path: Path) -> None:
    for name in ("apps", "tools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemError('was imported')")
    run = subprocess.run([sys.executable, "-m", "conlora_agent"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("conlora: 'tools' is taken from") or run.stderr.startswith("conlora: 'apps'")
    assert len(run.stderr.splitlines()) == 1
    assert run.stdout == ""
