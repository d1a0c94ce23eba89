"""Sentences with their intents: CLINC150's JSON, or two files of rows with `text` and `label`, CSV or JSONL.

Rows labelled "oos" belong to no intent. Everything is checked before anything heavy loads.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from conlora_agent.core.errors import BadInput, DataError
from conlora_agent.core.files import numbered_lines, read_text

OOS = "oos"


class Sentence(NamedTuple):
    """A text and its intent, OOS for none."""

    text: str
    label: str


@dataclass(frozen=True)
class IntentData:
    """Sentences by use. `validation`: for calibration and gate, empty where the training data have to serve."""

    train: Sequence[Sentence]
    test: Sequence[Sentence]
    validation: Sequence[Sentence] = ()

    @property
    def intents(self) -> tuple[str, ...]:
        """Names of the intents that can be learned."""
        return tuple(sorted({s.label for s in self.train} - {OOS}))


def load_clinc150(path: Path) -> IntentData:
    """The data of CLINC150's JSON. Raises DataError naming what is missing or malformed."""
    text = read_text(path)
    try:
        raw = json.loads(text)
        parts = {
            name: [Sentence(str(text), str(label)) for text, label in raw[name]]
            for name in ("train", "val", "oos_val", "test", "oos_test")
        }
    except KeyError as error:
        raise DataError(f"{path} has no part {error}", "give CLINC150's data_full.json") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is not as CLINC150's files are ({error})", "give its data_full.json") from error
    return _checked(
        IntentData(parts["train"], parts["test"] + parts["oos_test"], parts["val"] + parts["oos_val"]), path
    )


def load_intents(train: Path, test: Path) -> IntentData:
    """Data of two files. Raises DataError naming file and line."""
    return _checked(IntentData(_sentences(train), _sentences(test)), test)


def check_shots(data: IntentData, shots: int | None) -> None:
    """Raises BadInput when an intent has fewer than `shots` training sentences."""
    counts = Counter(s.label for s in data.train if s.label != OOS)
    label, least = min(counts.items(), key=lambda item: item[1])
    if shots is not None and least < shots:
        raise BadInput(f"intent {label!r} has {least} training sentences", f"use --shots {least} or less")


def sample(sentences: Sequence[Sentence], shots: int | None, seed: int) -> list[Sentence]:
    """`shots` sentences of every intent, and all that belong to none."""
    if shots is None:
        return list(sentences)
    rng = random.Random(seed)
    by_label: defaultdict[str, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        by_label[sentence.label].append(sentence)
    unknown = by_label.pop(OOS, [])
    return [s for label in sorted(by_label) for s in rng.sample(by_label[label], shots)] + unknown


def _checked(data: IntentData, path: Path) -> IntentData:
    if len(data.intents) < 2:
        raise DataError("the training data have fewer than two intents", "give sentences of two intents or more")
    if not any(s.label in set(data.intents) for s in data.test):
        raise DataError(f"{path} has no sentence of an intent in the training data", "give test rows of those intents")
    return data


def _sentences(path: Path) -> list[Sentence]:
    text = read_text(path)
    rows = _jsonl(path, text) if text.lstrip().startswith("{") else list(csv.DictReader(io.StringIO(text)))
    found = []
    for number, row in enumerate(rows, start=1):
        content, label = row.get("text"), row.get("label")
        if not isinstance(content, str) or not content.strip() or label in (None, ""):
            raise DataError(f"{path}, row {number} has no text or no label", "give the columns text and label")
        found.append(Sentence(content, str(label)))
    if not found:
        raise DataError(f"{path} has no rows", "give the columns text and label")
    return found


def _jsonl(path: Path, text: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in numbered_lines(text):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is not JSON ({error})", "write one JSON object a line") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is no JSON object", 'write {"text", "label"}')
        rows.append(row)
    return rows
