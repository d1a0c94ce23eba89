"""JSONL files of labelled data: one row a line, read into the row type that an evaluation says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from conlora_agent.core.errors import DataError
from conlora_agent.core.files import numbered_lines, read_text

Row = TypeVar("Row", bound=BaseModel)


def read_rows(path: Path, kind: type[Row], shape: str) -> list[Row]:
    """The rows of a file. `shape`: how to write one. Raises DataError naming file, line and key."""
    return [row for _, row in located_rows(path, kind, shape)]


def located_rows(path: Path, kind: type[Row], shape: str) -> list[tuple[str, Row]]:
    """The same, each row with its file and line, for further checks."""
    lines = [(f"{path.name}, line {number}", line) for number, line in numbered_lines(read_text(path))]
    if not lines:
        raise DataError(f"{path} has no rows", shape)
    return [(where, _row(line, where, kind, shape)) for where, line in lines]


def _row(line: str, where: str, kind: type[Row], shape: str) -> Row:
    try:
        return kind.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "row"
        raise DataError(f"{where}: {key}: {first['msg'].lower()}", shape) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error})", shape) from error
