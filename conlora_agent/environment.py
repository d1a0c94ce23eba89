"""Refuses to start when another installed package shadows one of the project's top-level names.

Names such as `tools` are common; an installed package of that name would be imported in place of ours and fail later
in ways hard to explain. Not covered here: anything about the packages we depend on.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from conlora_agent.core.errors import Failure

TOP_LEVEL = ("adapters", "router", "tools", "apps", "evals")
ROOT = Path(__file__).resolve().parents[1]


def check_environment(names: Sequence[str] = TOP_LEVEL, root: Path = ROOT) -> None:
    """Raise Failure when one of `names` is not the package below `root`. Imports none of them."""
    for name in names:
        found = _location(name)
        if found is None:
            raise Failure(f"the folder {root / name} cannot be imported", "run: make install")
        if found != root / name:
            owner = importlib.metadata.packages_distributions().get(name)
            remedy = f"run: pip uninstall {owner[0]}" if owner else "start from the project's own environment"
            raise Failure(f"{name!r} is taken from {found} in place of {root / name}", remedy)


def _location(name: str) -> Path | None:
    """Folder (or file) that `import name` would load, None when there is none."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    where = places[0] if places else spec.origin
    return Path(where).resolve() if where else None
