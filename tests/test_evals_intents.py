"""The intents evaluation on data small enough to know the answer, with the real classifier on made-up vectors."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conlora_agent.core.errors import BadInput, DataError
from evals.intent_data import IntentData, Sentence, check_shots, load_clinc150, load_intents, sample
from evals.intents import evaluate_intents
from router.encoder import Vectors
from tests.command import conlora

TOPICS = ("pay", "fly", "cook", "sing", "swim", "read")


class WordEncoder:
    """A text's vector is the sum of fixed vectors of its words: texts that share words are alike."""

    name = "words"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [sum((self._word(word) for word in text.split()), np.zeros(24)) for text in texts]
        return np.array([row / (np.linalg.norm(row) + 1e-9) for row in rows], np.float32).reshape(-1, 24)

    def _word(self, word: str) -> np.ndarray:
        return np.random.default_rng(zlib.crc32(word.encode())).normal(size=24)


def sentences(per_topic: int, start: int = 0) -> list[Sentence]:
    return [Sentence(f"{t} {t} now w{start + n}", f"{t}_it") for t in TOPICS for n in range(per_topic)]


def strange(count: int, start: int = 0) -> list[Sentence]:
    return [Sentence(f"x{start + n} y{start + n} z{start + n}", "oos") for n in range(count)]


def clinc(path: Path) -> Path:
    parts = {
        "train": sentences(12), "val": sentences(6, 20), "oos_val": strange(30), "test": sentences(5, 40),
        "oos_test": strange(20, 50),
    }  # fmt: skip
    path.write_text(json.dumps(parts))
    return path


def test_easy_intents_are_learned_and_strange_sentences_turned_away(tmp_path: Path) -> None:
    data, encoder = load_clinc150(clinc(tmp_path / "data.json")), WordEncoder()
    report = evaluate_intents(data, encoder, encoder.encode, shots=8, seeds=2)
    assert (report.n, report.intents, report.train, report.shots, report.seeds) == (50, 6, 48, 8, 2)
    assert report.in_scope_accuracy == 1.0
    assert report.oos_auroc is not None
    assert report.oos_auroc > 0.95
    assert report.joint_accuracy is not None
    assert report.joint_accuracy > 0.9
    assert report.spread["in_scope_accuracy"] == 0.0


def test_without_validation_left_out_intents_stand_in_for_the_unknown() -> None:
    data, encoder = IntentData(sentences(12), [*sentences(5, 40), *strange(20, 50)]), WordEncoder()
    report = evaluate_intents(data, encoder, encoder.encode)
    assert report.oos_recall is not None
    assert report.oos_recall > 0.7
    assert report.joint_accuracy is not None
    assert report.joint_accuracy > 0.8


def test_figures_about_the_unknown_are_null_where_there_is_none() -> None:
    data, encoder = IntentData(sentences(8), sentences(4, 40)), WordEncoder()
    report = evaluate_intents(data, encoder, encoder.encode)
    assert (report.joint_accuracy, report.oos_recall, report.oos_auroc, report.fpr95) == (None,) * 4


def test_two_intents_are_enough() -> None:
    data = IntentData([s for s in sentences(6) if s.label in ("pay_it", "fly_it")], sentences(2, 40)[:4])
    encoder = WordEncoder()
    assert evaluate_intents(data, encoder, encoder.encode).in_scope_accuracy == 1.0


def test_samples_are_balanced_and_repeatable() -> None:
    rows = [*sentences(5), *strange(3)]
    first = sample(rows, 2, seed=1)
    assert first == sample(rows, 2, seed=1) != sample(rows, 2, seed=2)
    assert sum(s.label == "oos" for s in first) == 3
    assert len(first) == 2 * len(TOPICS) + 3


def test_more_shots_than_there_are_is_refused() -> None:
    with pytest.raises(BadInput, match="has 3 training sentences; use --shots 3 or less"):
        check_shots(IntentData(sentences(3), sentences(1)), 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ("text,label\n,a\n", "row 1 has no text"),
        ("words,label\nhello,a\n", "row 1 has no text"),
        ('{"text": "x"}\n', "row 1 has no text or no label"),
        ('{"text": "x", "label": "a"}\n{', "line 2 is not JSON"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rows"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_intents(path, path)


@pytest.mark.parametrize("content", ["{", "[]", '{"train": 3}', '{"train": [["a"]]}', '{"train": []}'])
def test_broken_clinc150_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"data\.json"):
        load_clinc150(path)


def test_csv_and_jsonl_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"pay, please",pay\nfly,fly\n')
    lines = [{"text": "pay, please", "label": "pay"}, {"text": "fly", "label": "fly"}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, lines)))
    data = load_intents(tmp_path / "a.csv", tmp_path / "b.jsonl")
    assert data.train == data.test
    assert data.intents == ("fly", "pay")


def test_the_command_prints_every_key_of_the_contract(tmp_path: Path) -> None:
    rows = ["text,label", "how do I pay?,pay", "paying by card,pay", "book a flight,fly", "I want to fly,fly"]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    (tmp_path / "b.csv").write_text("text,label\ncan I pay cash?,pay\nflights to Rome,fly\nwho is Bach,oos\n")
    command = ("eval", "intents", "--train", tmp_path / "a.csv", "--test", tmp_path / "b.csv", "--json")
    ended = conlora(*command)
    assert ended.code == 0
    assert {"in_scope_accuracy", "joint_accuracy", "oos_recall", "oos_auroc", "fpr95", "ece", "latency_ms"} <= set(
        ended.json
    )
    assert ended.json["in_scope_accuracy"] == 1.0
    assert conlora(*command, "--fail-under", "1.0").code == 0


def test_below_the_floor_it_fails(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nhow do I pay?,pay\nbook a flight,fly\n")
    (tmp_path / "b.csv").write_text("text,label\nhow do I pay?,fly\n")
    command = ("eval", "intents", "--train", tmp_path / "a.csv", "--test", tmp_path / "b.csv", "--fail-under", "0.5")
    ended = conlora(*command)
    assert (ended.code, "below --fail-under 0.5" in ended.error) == (1, True)


def test_bad_input_exits_with_2(tmp_path: Path) -> None:
    ended = conlora("eval", "clinc150", "--data", tmp_path / "nowhere.json", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "nowhere.json" in ended.error


def test_the_usual_methods_are_measured_beside_it_on_the_same_sentences(tmp_path: Path) -> None:
    data, encoder = load_clinc150(clinc(tmp_path / "data.json")), WordEncoder()
    assert evaluate_intents(data, encoder, encoder.encode, shots=4).others is None
    others = evaluate_intents(data, encoder, encoder.encode, shots=4, seeds=2, others=True).others
    assert others is not None
    assert [one.name for one in others] == ["nearest neighbour", "centroid", "logistic regression"]
    assert all(one.in_scope_accuracy > 0.9 and one.oos_auroc is not None for one in others)
    mixed = [Sentence(s.text, f"{TOPICS[n % 6]}_it") for n, s in enumerate(data.train)]
    wrong = evaluate_intents(replace(data, train=mixed), encoder, encoder.encode, others=True).others
    assert wrong is not None
    assert all(one.in_scope_accuracy < 0.6 for one in wrong)
