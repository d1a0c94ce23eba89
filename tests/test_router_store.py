from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from router.encoder import Vectors
from router.store import FittedStore, KnownVectors, digest


class CountingEncoder:
    """Vectors made of a text's length; remembers what it was asked for."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_known_texts_are_encoded_once_across_runs(tmp_path: Path) -> None:
    first, second = CountingEncoder(), CountingEncoder()
    known = KnownVectors(first, tmp_path)
    known.encode(["a", "bb", "a"])
    known.keep()
    assert KnownVectors(second, tmp_path).encode(["bb", "ccc", "a"]).tolist() == [[2, 1], [3, 1], [1, 1]]
    assert first.asked == ["a", "bb"]
    assert second.asked == ["ccc"]


def test_fitted_state_comes_back_as_it_was(tmp_path: Path) -> None:
    store = FittedStore(tmp_path)
    store.write("k", {"weights": np.eye(2)}, {"names": ["ä", "b"]})
    found = store.read("k")
    assert found is not None
    arrays, settings = found
    assert arrays["weights"].tolist() == [[1, 0], [0, 1]]
    assert settings == {"names": ["ä", "b"]}
    assert store.read("other") is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x04 pickle"])
def test_damaged_files_are_reported_and_remade(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store, encoder = FittedStore(tmp_path), CountingEncoder()
    known = KnownVectors(encoder, tmp_path)
    known.encode(["a"])
    known.keep()
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(content)
    (tmp_path / "fit-k.npz").write_bytes(content)
    assert store.read("k") is None
    assert KnownVectors(encoder, tmp_path).encode(["a"]).tolist() == [[1, 1]]
    assert "damaged" in caplog.text


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "fit-k.npz", weights=np.array([{"a": 1}], dtype=object))
    assert FittedStore(tmp_path).read("k") is None


def test_a_folder_that_cannot_be_written_costs_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    FittedStore(blocked).write("k", {"weights": np.eye(1)}, {})
    assert "cannot keep" in caplog.text


def test_digest_knows_borders() -> None:
    assert digest("ab", "c") != digest("a", "bc")
