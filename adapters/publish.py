"""Puts a new stack into a task folder: whoever looks at any moment sees the old stack or the new one, never a half.

The new weights get a folder of their own, then the manifest is replaced to point at it, then the old folder goes.
Not covered here: what is in the weights (training), and tasks that are copied as a whole (registry.py).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import tomlkit

from adapters.manifest import MANIFEST, parse_manifest, read_manifest
from adapters.weights import TENSORS, check_weights
from conlora_agent.core.errors import StorageError, reason
from conlora_agent.core.files import replace_file


def publish_stack(folder: Path, backbone: str, write: Callable[[Path], None]) -> Path:
    """Let `write(folder)` make the stack's files, and make them the stack of the task in `folder` for `backbone`.

    Returns where the weights are. Raises WeightsError when what was written is no stack, StorageError when the disk
    refuses; the task is then as it was.
    """
    from safetensors import SafetensorError

    before = read_manifest(folder).backbones.get(backbone)
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as staged:
            work = Path(staged) / "stack"
            work.mkdir()
            write(work)
            check_weights(work, backbone)
            digest = hashlib.sha256((work / TENSORS).read_bytes()).hexdigest()[:8]
            target = folder / f"{backbone}-{digest}"
            shutil.rmtree(target, ignore_errors=True)
            os.replace(work, target)
        _point_to(folder / MANIFEST, backbone, target.name)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"the stack cannot be written to {folder} ({reason(error)})", "free disk space") from error
    if before is not None and before.weights not in (None, target.name):
        shutil.rmtree(folder / before.weights, ignore_errors=True)
    return target


def _point_to(path: Path, backbone: str, weights: str) -> None:
    """Replace the manifest by one that names these weights; comments and order stay."""
    document = tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    tables = document.setdefault("backbones", tomlkit.table(is_super_table=True))
    table = tomlkit.table()
    table["weights"] = weights
    tables[backbone] = table
    text = tomlkit.dumps(document)
    parse_manifest(text, where=f"{path.parent.name}/{path.name}")
    replace_file(path, text.encode())
