"""How well a task does on labelled pictures, asked through the same call that serves users.

Data: a folder of pictures and a labels.jsonl, see labels.py. Every row is a turn in a thread of its own, which is
deleted afterwards. The task is named, or the router left to choose it, to see what that costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from conlora_agent.core.types import Region, Step
from conlora_agent.perception import FINDS
from conlora_agent.phrases import referring_phrase
from conlora_agent.wording import whereabouts
from evals.labels import CaptionRow, ChartRow, GroundingRow, OcrRow, Row, VqaRow, load_labels
from evals.metrics import (
    bleu4,
    character_error_rate,
    cider_d,
    loose_text,
    match_boxes,
    named,
    overlap,
    plain_answer,
    reads_same,
)
from evals.scores import calibration_error

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

Figures = dict[str, Any]
Answer = Callable[[str, Path], Step]
"""Answers a request about a picture."""
MISSES_SHOWN = 30
HALF = 0.5


def evaluate_task(task: str, data: Path, agent: Agent, limit: int | None = None, *, routed: bool = False) -> Figures:
    """The task's figures on `data` (its first `limit` rows): fractions 0..1, CIDEr 0..10, null where nothing applies.

    Always has `n`, `ms_per_item` and the first `misses`. Where the router is to choose (`routed`), what reaches another
    task is scored by what that one answered, and `reached` is the share that came to this one. Raises DataError,
    UnknownName, and what asking raises.
    """
    rows = load_labels(task, data)[:limit]
    return evaluate_rows(task, data, rows, served(agent, task, routed=routed), routed=routed)


def served(agent: Agent, task: str, *, routed: bool = False) -> Answer:
    """Asks `agent` for `task`, by name or `routed`, as a user would, and leaves no thread behind."""

    def answer(request: str, picture: Path) -> Step:
        result = agent.ask(request, image=picture, task=None if routed else task)
        agent.threads.delete(result.thread)
        return next((s for s in reversed(result.steps) if s.route == task), result.steps[-1])

    return answer


def evaluate_rows(task: str, data: Path, rows: Sequence[Row], answer: Answer, *, routed: bool = False) -> Figures:
    """Ask about every row and score. The first row is asked once more before, untimed: it may load the model."""
    kind = _TASKS[task]
    request = (routed and kind.typed) or kind.request
    requests = [request(row) for row in rows]
    answer(requests[0], data / rows[0].image)
    began = time.perf_counter()
    steps = [answer(words, data / row.image) for words, row in zip(requests, rows, strict=True)]
    spent = (time.perf_counter() - began) * 1000
    figures, misses = kind.score(rows, steps)
    if routed:
        figures["reached"] = sum(step.route == task for step in steps) / len(steps)
    return {"n": len(rows), **figures, "ms_per_item": spent / len(rows), "misses": misses[:MISSES_SHOWN]}


def _asked(phrase: str) -> str:
    """What a user types to have a phrase found: some rows are requests already, others name the thing alone."""
    return f"Find {phrase} in the picture." if referring_phrase(phrase) == phrase else phrase


def _written(step: Step) -> str:
    """The words of a step, none where it did not succeed: an excuse is not an answer."""
    return step.text if step.status == "ok" else ""


def _said(step: Step) -> list[str]:
    """What a step may be taken to answer: its words; of one that found a thing, the words for where that is."""
    found = [whereabouts(region.box) for region in step.boxes] if step.route == FINDS else []
    return [_written(step), *(found if len(found) == 1 else [])]


def _miss(row: Row, expected: object, got: object) -> dict[str, Any]:
    return {"image": row.image, "expected": expected, "got": got}


Scored = tuple[Figures, list[dict[str, Any]]]


def _score_ocr(rows: Sequence[Row], steps: Sequence[Step]) -> Scored:
    truths, guesses = [cast(OcrRow, row).text for row in rows], [_written(step) for step in steps]
    loose = [(loose_text(t), loose_text(g)) for t, g in zip(truths, guesses, strict=True)]
    wrong = [_miss(r, t, g) for r, t, g, (a, b) in zip(rows, truths, guesses, loose, strict=True) if a != b]
    figures: Figures = {
        "cer": character_error_rate([t for t, _ in loose], [g for _, g in loose]),
        "exact": sum(t == g for t, g in loose) / len(loose),
        "cer_strict": character_error_rate(truths, guesses),
    }
    if several := [pair for pair, truth in zip(loose, truths, strict=True) if "\n" in truth]:
        figures["cer_several_lines"] = character_error_rate([t for t, _ in several], [g for _, g in several])
    return figures, wrong


def _score_grounding(rows: Sequence[Row], steps: Sequence[Step]) -> Scored:
    ious, hits, misses = [], [], []
    for row, step in zip(cast(Sequence[GroundingRow], rows), steps, strict=True):
        guesses = list(step.boxes)
        if len(row.truths) == 1:
            guesses = guesses and [max(guesses, key=_confidence)]
        found = match_boxes(row.truths, [region.box for region in guesses])
        ious.append(sum(found) / len(found))
        # A failed step has no boxes either, but it did not say that the thing is absent.
        if step.status == "failed":
            ious[-1], found = 0.0, [0.0]
        hits.append(sum(iou >= HALF for iou in found) / len(found))
        if hits[-1] < 1:
            got = [[round(v, 3) for v in region.box] for region in step.boxes]
            misses.append(_miss(row, {"phrase": row.phrase, "boxes": row.truths}, got))
    figures: Figures = {"acc50": sum(hits) / len(hits), "miou": sum(ious) / len(ious)}
    judged = [
        pair for row, step in zip(rows, steps, strict=True) for pair in judged_boxes(cast(GroundingRow, row), step)
    ]
    if judged:
        scores, right = np.array(judged).T
        figures["ece"] = calibration_error(scores, right > 0)
    return figures, misses


def judged_boxes(row: GroundingRow, step: Step) -> list[tuple[float, bool]]:
    """The score of each box of an answer, where there is one, and whether it covers something that was meant."""
    return [
        (region.score, any(overlap(truth, region.box) >= HALF for truth in row.truths))
        for region in step.boxes
        if region.score is not None
    ]


def _confidence(region: Region) -> float:
    return region.score if region.score is not None else 0.0


def _score_caption(rows: Sequence[Row], steps: Sequence[Step]) -> Scored:
    said = [(cast(CaptionRow, row), _written(step)) for row, step in zip(rows, steps, strict=True)]
    told = [(row.captions, text) for row, text in said if row.captions]
    references, guesses = [captions for captions, _ in told], [text for _, text in told]
    looked = [(row, name, named(name, text)) for row, text in said for name in row.objects or ()]
    unnamed = [(row, text, [n for r, n, ok in looked if r is row and not ok]) for row, text in said]
    figures = {
        "cider": cider_d(references, guesses) if told else None,
        "bleu4": bleu4(references, guesses) if told else None,
        "object_recall": sum(ok for _, _, ok in looked) / len(looked) if looked else None,
    }
    return figures, [_miss(row, names, text) for row, text, names in unnamed if names]


def _score_vqa(rows: Sequence[Row], steps: Sequence[Step]) -> Scored:
    misses = []
    for row, step in zip(cast(Sequence[VqaRow], rows), steps, strict=True):
        if {plain_answer(a) for a in row.answers}.isdisjoint(map(plain_answer, _said(step))):
            misses.append(_miss(row, {"question": row.question, "answers": row.answers}, _written(step)))
    return {"accuracy": 1 - len(misses) / len(rows)}, misses


CHART_KINDS = ("title", "written", "read_off", "extreme", "table", "no_chart")


def _score_chart(rows: Sequence[Row], steps: Sequence[Step]) -> Scored:
    misses = []
    right: dict[str, list[bool]] = {kind: [] for kind in CHART_KINDS}
    for row, step in zip(cast(Sequence[ChartRow], rows), steps, strict=True):
        hit = any(reads_same(_written(step), answer, row.tolerance) for answer in row.answers)
        right.setdefault(row.kind, []).append(hit)
        if not hit:
            misses.append(_miss(row, {"question": row.question, "answers": row.answers}, _written(step)))
    figures: Figures = {"accuracy": 1 - len(misses) / len(rows)}
    return figures | {kind: sum(hits) / len(hits) if hits else None for kind, hits in right.items()}, misses


@dataclass(frozen=True)
class _Kind:
    """What is asked about a row, how the answers are scored, and what a user types where that is something else."""

    request: Callable[[Any], str]
    score: Callable[[Sequence[Row], Sequence[Step]], Scored]
    typed: Callable[[Any], str] | None = None


_TASKS = {
    "ocr": _Kind(lambda row: "Read the text.", _score_ocr),
    "grounding": _Kind(lambda row: row.phrase, _score_grounding, lambda row: _asked(row.phrase)),
    "caption": _Kind(lambda row: "Describe the picture.", _score_caption),
    "vqa": _Kind(lambda row: row.question, _score_vqa),
    "chart": _Kind(lambda row: row.question, _score_chart),
}
