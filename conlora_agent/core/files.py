"""Files that are written whole or not at all, and text files with their errors in words."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

from conlora_agent.core.errors import DataError, reason


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, then put it in its place; its folder is made. Raises OSError, and leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def read_text(path: Path, limit: int | None = None) -> str:
    """A text file in UTF-8 of at most `limit` bytes, without its byte order mark. Raises DataError."""
    try:
        with path.open("rb") as stream:
            data = stream.read() if limit is None else stream.read(limit + 1)
        if limit is not None and len(data) > limit:
            raise DataError(f"{path} is larger than {limit // 1024} KiB", "shorten it")
        return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig").read()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot read {path} ({reason(error)})", "give the path of a readable file") from error


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank, counted from 1. Only line feeds end one: other separators may stand in a text."""
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
