"""Tidies up what processes that were killed left behind, and says what cannot be put right."""

from __future__ import annotations

from dataclasses import dataclass

from conlora_agent.memory.database import Database
from conlora_agent.memory.leases import Leases
from conlora_agent.memory.pictures import PictureStore


@dataclass(frozen=True)
class Repaired:
    """What was found. `removed`: names of files that belonged to nothing; `problems`: one line each."""

    removed: tuple[str, ...]
    swept: int
    """Pictures that no thread needed any more."""
    leases: int
    """Leases of processes that have ended."""
    problems: tuple[str, ...]


def repair(database: Database, leases: Leases, pictures: PictureStore) -> Repaired:
    """Remove what belongs to nothing, give its room back, look for damage. Raises StorageError."""
    problems = database.problems()
    dropped = leases.drop_dead()
    pictures.drop_dead_holds()
    swept = pictures.sweep()
    removed, missing = pictures.reconcile()
    database.erase(compact=True)
    problems += [f"the picture {key[:12]} is gone; delete its thread, or put the file back" for key in missing]
    return Repaired(tuple(removed), swept, dropped, tuple(problems))
