"""Checkpoints of runs: written whole, and read so that one that is damaged, or of other code, is named in a line."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from conlora_agent.core.errors import BackboneError, StorageError, first_line

BEGIN_ANEW = "remove that file to begin anew, or choose another --out"


def keep(path: Path, state: dict[str, Any]) -> None:
    """Put `state` in the place of the checkpoint `path`. Raises StorageError, and leaves the one before."""
    beside = path.with_suffix(".tmp")
    try:
        torch.save(state, beside)
        os.replace(beside, path)
    except (OSError, RuntimeError) as error:  # torch says the latter of a full disk
        raise StorageError(f"{path} cannot be written ({first_line(error)})", "free disk space") from error


@contextmanager
def reading(path: Path, remedy: str = BEGIN_ANEW) -> Iterator[dict[str, Any]]:
    """What the checkpoint `path` holds, on the CPU. Within: what does not fit it, either, raises BackboneError."""
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except torch.OutOfMemoryError:
        raise
    except (OSError, EOFError, pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError) as error:
        raise BackboneError(f"the checkpoint {path} does not fit ({first_line(error)})", remedy) from error
