"""What the router keeps between runs: embeddings of examples and the fitted state, as arrays and JSON, never pickle.

Everything here can be remade: a damaged entry is reported in the log, dropped and made anew. Writes are atomic, so
several processes may share one folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router.encoder import Encoder, Vectors

log = logging.getLogger(__name__)

DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def digest(*parts: str) -> str:
    """Hex digest of some texts, their order and borders included."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class KnownVectors:
    """Embeddings of routing examples, kept on disk so that refitting encodes only new texts; two bytes a number."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        self._path = folder / f"vectors-{digest(encoder.name)[:12]}.npz"
        self._known: dict[str, NDArray[np.float16]] | None = None
        self._grown = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors, float32 (len(texts), dimension)."""
        if not texts:
            return self._encoder.encode(())
        if self._known is None:
            self._known = self._read()
        of_text = {text: digest(text) for text in dict.fromkeys(texts)}
        keys = [of_text[text] for text in texts]
        missing = {key: text for text, key in of_text.items() if key not in self._known}
        if missing:
            vectors = self._encoder.encode(list(missing.values())).astype(np.float16)
            self._known.update(zip(missing, vectors, strict=True))
            self._grown = True
        return np.stack([self._known[key] for key in keys]).astype(np.float32)

    def keep(self) -> None:
        """Write what was encoded since the last time."""
        if self._known and self._grown:
            arrays = {"keys": np.array(list(self._known)), "vectors": np.stack(list(self._known.values()))}
            write_arrays(self._path, arrays)
            self._grown = False

    def _read(self) -> dict[str, NDArray[np.float16]]:
        if not self._path.is_file():
            return {}
        try:
            data = read_arrays(self._path)
            return dict(zip(data["keys"].tolist(), data["vectors"], strict=True))
        except DAMAGE as error:
            log.warning("dropping damaged router cache %s (%s)", self._path, error)
            return {}


@dataclass(frozen=True)
class FittedStore:
    """Fitted states by content hash: `fit-<key>.npz` with arrays and, inside, one JSON text."""

    folder: Path

    def read(self, key: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Arrays and settings stored under `key`, None when there are none that can be used."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            arrays = read_arrays(path)
            settings = json.loads(str(arrays.pop("settings")))
        except DAMAGE as error:
            log.warning("dropping damaged router cache %s (%s)", path, error)
            return None
        return arrays, settings

    def write(self, key: str, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> None:
        """Keep a fitted state."""
        write_arrays(self._path(key), {**arrays, "settings": np.array(json.dumps(settings))})

    def _path(self, key: str) -> Path:
        return self.folder / f"fit-{key}.npz"


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file. Raises one of DAMAGE for anything else, pickled objects included."""
    with path.open("rb") as file:
        data = np.load(file, allow_pickle=False)
        if not isinstance(data, np.lib.npyio.NpzFile):
            raise ValueError("not an .npz archive")
        return {name: data[name] for name in data.files}


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an .npz file in one piece. A cache that cannot be written costs time, not the turn: it is only logged."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            np.savez(file, allow_pickle=False, **dict(arrays))
        temporary.replace(path)
    except OSError as error:
        log.warning("cannot keep router cache %s (%s)", path, error)
        if temporary is not None:
            temporary.unlink(missing_ok=True)
