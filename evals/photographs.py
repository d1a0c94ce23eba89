"""Writes a small evaluation set of real photographs: `python -m evals.photographs FOLDER`.

Then `conlora eval grounding --data FOLDER`. The photographs are those of animals and musicians in GCompris, fetched
with apt. Nothing is trained or fitted on them; what is found on them was looked at once while the way of naming it was
designed. The boxes were drawn by eye and are good to a few hundredths; rows without any ask for what is not there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from conlora_agent.core.errors import BadInput, ConloraError, reason
from conlora_agent.core.files import numbered_lines, read_text, replace_file
from conlora_agent.settings import Settings
from conlora_agent.training.photographs import HELDOUT, photographs

LABELS = Path(__file__).with_name("data") / "photographs.jsonl"
"""Rows of a set for grounding; `image` is the number of the photograph."""


def main() -> None:
    """Write photographs and labels; one line and an exit code when something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        write(folder, Settings.load().cache / "material")
    except ConloraError as error:
        sys.stderr.write(f"photographs: {error}\n")
        sys.exit(error.exit_code)


def write(folder: Path, cache: Path) -> None:
    """The set as a folder that `conlora eval grounding` takes. Raises Failure where apt fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made a folder ({reason(error)})", "name another one") from error
    rows = [json.loads(line) for _, line in numbered_lines(read_text(LABELS))]
    for number, picture in enumerate(photographs(HELDOUT, cache)):
        picture.save(folder / f"{number:02d}.png")
    lines = (json.dumps({**row, "image": f"{row['image']:02d}.png"}) for row in rows)
    replace_file(folder / "labels.jsonl", "".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
