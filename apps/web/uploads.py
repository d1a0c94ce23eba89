"""Files that a browser uploaded: pictures, and task folders.

Not covered here: what becomes of them (handlers.py, panels.py); Gradio limits their size and clears them away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from conlora_agent.core.errors import BadInput

MAX_FILES = 64
"""Of a task folder; a task has a handful."""


def upload(path: str) -> Path:
    """An uploaded file. Raises BadInput for any other path."""
    from gradio.utils import get_upload_folder

    file = Path(path).resolve()
    if not file.is_relative_to(Path(get_upload_folder()).resolve()) or not file.is_file():
        raise BadInput("that file was not uploaded here", "choose it again")
    return file


def taken(path: str) -> bytes:
    """What an uploaded file holds; the file itself goes. Raises BadInput."""
    file = upload(path)
    try:
        return file.read_bytes()
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def folder(files: Sequence[Any]) -> Iterator[Path]:
    """A folder as it was on the user's machine, from uploaded `{"path", "name"}`, `name` starting with the folder's.

    Gone when left. Raises BadInput.
    """
    if not files or len(files) > MAX_FILES:
        raise BadInput(f"the folder holds {len(files)} files", f"choose a task folder: 1 to {MAX_FILES} files")
    with tempfile.TemporaryDirectory() as made:
        for file in files:
            name = PurePosixPath(str(file.get("name", "")) if isinstance(file, dict) else "")
            if name.is_absolute() or ".." in name.parts or len(name.parts) < 2:
                raise BadInput(f"{str(name)[:80]!r} is no file in a folder", "choose a task folder")
            target = Path(made, *name.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(upload(str(file.get("path", ""))), target)
        yield Path(made) / PurePosixPath(str(files[0]["name"])).parts[0]
