from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from apps.preparation import Preparation
from apps.web.tray import banner
from conlora_agent.notice import noticed, notices

KILLED = """
import os, signal, sys
from pathlib import Path
from conlora_agent.notice import noticed
with noticed(Path(sys.argv[1]), "killed") as tell:
    tell(1, 2, 0.5)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_training_is_told_of_while_it_goes_on(tmp_path: Path) -> None:
    assert notices(tmp_path) == []
    with noticed(tmp_path, "leaves") as tell:
        tell(3, 12, 1.25)
        tell(4, 12, 1.2)  # within the same second
        (one,) = notices(tmp_path)
        assert (one.task, one.step, one.steps, one.loss) == ("leaves", 3, 12, 1.25)
        shown = banner(Preparation(), [one])
        assert "Training leaves: step 3 of 12, loss 1.250" in shown
        assert 'value="0.25"' in shown
    assert notices(tmp_path) == []
    assert list((tmp_path / "training").iterdir()) == []


def test_a_training_that_was_killed_is_not(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[1], check=False)
    assert child.returncode == -9
    assert (tmp_path / "training" / "killed.notice").exists()
    (tmp_path / "training" / "broken.notice").write_text("{")
    assert notices(tmp_path) == []


def test_a_training_goes_on_where_nothing_can_be_told(tmp_path: Path) -> None:
    place, taken = tmp_path / "training", "a file in the place of the folder"
    place.write_text(taken)
    with noticed(tmp_path, "leaves") as tell:
        tell(1, 2, 0.5)
        assert notices(tmp_path) == []
    assert place.read_text() == taken
