"""Copies a task folder, refusing whatever a task has no use for: code, pickles, links that lead out, special files.

A folder of the user's own may hold `data.py`, which draws training data; it stays behind.

Not covered here: whether manifest, examples and weights are right (task.py and weights.py check the copy).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from adapters.weights import PICKLES, refuse_pickles
from conlora_agent.core.errors import ManifestError, StorageError

KINDS = frozenset({".toml", ".jsonl", ".json", ".safetensors", ".md", ".txt", ".png", ".jpg", ".jpeg"})
LICENCES = frozenset({"LICENSE", "LICENCE", "NOTICE", "COPYING"})
MAX_FILES = 500
OWN_CODE = "data.py"


def copy_task(source: Path, target: Path) -> None:
    """Copy `source` to the new folder `target`. Hidden files stay behind.

    Raises ManifestError or WeightsError for content that is refused, StorageError when the disk refuses.
    """
    files = task_files(source)
    try:
        target.mkdir()
        for path in files:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    except OSError as error:
        raise StorageError(
            f"{source} cannot be copied ({error.strerror})", "check disk space and permissions"
        ) from error


def task_files(folder: Path) -> list[Path]:
    """The files of a task folder that belong to the task. Raises ManifestError or WeightsError for what is refused."""
    try:
        files = [path for path in _files(folder, folder.resolve()) if path != folder / OWN_CODE]
    except OSError as error:
        raise ManifestError(f"{folder} cannot be read ({error.strerror})", "correct its permissions") from error
    if len(files) > MAX_FILES:
        raise ManifestError(f"{folder} holds more than {MAX_FILES} files", "is this a task folder?")
    refuse_pickles(folder)
    for path in files:
        check_kind(path, str(path))
    return files


def _files(folder: Path, root: Path) -> Iterator[Path]:
    """Plain files below `folder`. Raises ManifestError for links that leave `root` and for special files."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_symlink() and not _leads_inside(path, root):
            raise ManifestError(f"{path} is a link that leads out of the task folder", "copy the file itself there")
        if path.is_dir():
            if path.is_symlink():
                raise ManifestError(f"{path} is a link to a folder", "copy the folder itself there")
            yield from _files(path, root)
        elif path.is_file():
            yield path
        else:
            raise ManifestError(f"{path} is not a plain file", "remove it")


def _leads_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def check_kind(path: Path, shown: str) -> None:
    """Raise ManifestError, naming the file as `shown`, for a file of a kind that a task does not have."""
    if path.suffix.lower() == ".py":
        raise ManifestError(f"{shown}: code, which an added task must not carry", "leave it out")
    if path.suffix.lower() in PICKLES:
        raise ManifestError(f"{shown}: may be a pickle, which can run code", "save weights as safetensors")
    if path.suffix.lower() not in KINDS and path.name not in LICENCES:
        raise ManifestError(f"{shown}: no part of a task", f"keep only {', '.join(sorted(KINDS))} files")
