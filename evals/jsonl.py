"""Lines of a JSONL file of labelled data. Not covered here: what a line may hold, which each evaluation says itself."""

from __future__ import annotations

from pathlib import Path

from conlora_agent.core.errors import DataError


def numbered_lines(path: Path, remedy: str) -> list[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1. Raises DataError with `remedy` if `path` is not readable."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error})", remedy) from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
