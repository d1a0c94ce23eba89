from __future__ import annotations

from router.noise import nonsense


def test_deterministic_and_of_every_kind() -> None:
    words = ["where", "dog", "sign", "multiply", "of", "the"]
    made = nonsense(words, 20)
    assert made == nonsense(words, 20)
    assert made != nonsense(words, 20, seed=1)
    assert any(set(text.split()) <= set(words) for text in made)
    assert any(not text.isascii() for text in made)


def test_no_vocabulary_leaves_out_word_salad() -> None:
    assert 0 < len(nonsense([], 5)) <= 10
