"""Checkpoints of interrupted runs: one that is damaged, or of other code, is named in a line with its remedy."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from conlora_agent.core.errors import BackboneError, first_line

BEGIN_ANEW = "remove that file to begin anew, or choose another --out"


@contextmanager
def reading(path: Path, remedy: str = BEGIN_ANEW) -> Iterator[dict[str, Any]]:
    """What the checkpoint `path` holds, on the CPU. Within: what does not fit it, either, raises BackboneError."""
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except torch.OutOfMemoryError:
        raise
    except (OSError, EOFError, pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError) as error:
        raise BackboneError(f"the checkpoint {path} does not fit ({first_line(error)})", remedy) from error
