"""Rows of a user's DATA.jsonl: read, checked with their pictures, and divided, before anything heavy loads.

A row is `{"image", "request", "answer"}`; what `answer` is depends on the task's output kind, see `Lesson`. Not covered
here: the teaching itself (user.py).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from adapters.manifest import Manifest
from conlora_agent.core.errors import DataError, PictureError
from conlora_agent.core.files import numbered_lines, read_text
from conlora_agent.core.types import Box, Region
from conlora_agent.memory.decoding import decode_picture, read_picture_file
from conlora_agent.phrases import about_what

HELD_OUT = 0.1
MOST_HELD_OUT = 200
KEYS = {"text": "answer", "boxes": "boxes", "labels": "labels", "json": "json"}
"""What a row answers with, by output kind."""
SHAPE = {
    "text": '{"image": "a.png", "request": "...", "answer": "..."}',
    "boxes": '{"image": "a.png", "request": "the red car", "boxes": [[0.1, 0.2, 0.5, 0.6]]}',
    "labels": '{"image": "a.png", "request": "...", "labels": ["a", "b"]}',
    "json": '{"image": "a.png", "request": "...", "json": {"total": 12.5}}',
}
_ARTICLE = re.compile(r"^(the|a|an|all|all the|every|any|some)\s+", re.IGNORECASE)


class Row(BaseModel):
    """One line of the file. Further keys are allowed and not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    image: str | None = Field(default=None, min_length=1)
    request: str = Field(default="", validation_alias=AliasChoices("request", "question", "phrase"))
    answer: str | None = Field(default=None, min_length=1)
    boxes: list[list[float]] | None = None
    box: list[float] | None = None
    labels: list[str] | None = Field(default=None, min_length=1)
    json_value: Any = Field(default=None, alias="json")


@dataclass(frozen=True)
class Lesson:
    """One thing to learn: what the model is told about which picture, and what it should say."""

    line: int
    picture: Path | None
    instruction: str
    """The task's prompt with the row's request in it, as it reaches the model when it serves."""
    answer: str
    """For boxes a template, see `written`."""
    boxes: tuple[Box, ...] = ()

    def written(self, box_range: int) -> str:
        """The answer in the model's own form: boxes as integers 0..`box_range`-1, x0 y0 x1 y1."""
        digits = len(str(box_range - 1))
        corners = (" ".join(f"{round(v * (box_range - 1)):0{digits}d}" for v in box) for box in self.boxes)
        return "; ".join(f"{self.answer}: {numbers}" for numbers in corners) if self.boxes else self.answer


def read_lessons(
    path: Path, manifest: Manifest, *, max_pixels: int, on_row: Callable[[int, int], None] = lambda done, of: None
) -> list[Lesson]:
    """The rows of a JSONL file, their pictures decoded once to see that they can be.

    Pictures are named relative to the file. `on_row(done, of)` is told how far the checking is.
    Raises DataError naming file and line.
    """
    lines = numbered_lines(read_text(path))
    lessons = [_lesson(line, f"{path.name}, line {number}", number, path.parent, manifest) for number, line in lines]
    if len(lessons) < 2:
        raise DataError(f"{path} has {len(lessons)} rows, at least 2 are needed", f"write {SHAPE[manifest.output]}")
    looked_at: set[Path] = set()
    for done, lesson in enumerate(lessons, start=1):
        if lesson.picture is not None and lesson.picture not in looked_at:
            load_picture(lesson, path.name, max_pixels)
            looked_at.add(lesson.picture)
        on_row(done, len(lessons))
    return lessons


def load_picture(lesson: Lesson, where: str, max_pixels: int) -> Any:
    """The picture of a lesson, upright RGB. Raises DataError naming the line of the file `where`."""
    assert lesson.picture is not None
    try:
        return decode_picture(read_picture_file(lesson.picture), max_pixels=max_pixels)
    except PictureError as error:
        raise DataError(f"{where}, line {lesson.line}: {error.problem}", error.remedy) from error


def divide(lessons: Sequence[Lesson], seed: int) -> tuple[list[Lesson], list[Lesson]]:
    """Lessons to learn from and lessons held out: a tenth, whole pictures at a time, so that none is on both sides."""
    groups: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        groups.setdefault(str(lesson.picture or lesson.instruction), []).append(lesson)
    if len(groups) < 2:
        raise DataError("all rows are about one picture", "add rows about others: some are held out to measure on")
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    wanted = min(MOST_HELD_OUT, max(1, round(len(lessons) * HELD_OUT)))
    held: set[int] = set()
    for key in order[:-1]:
        if len(held) >= wanted:
            break
        held.update(lesson.line for lesson in groups[key])
    return [x for x in lessons if x.line not in held], [x for x in lessons if x.line in held]


# -- one row ----------------------------------------------------------------------------------------------------------


def _lesson(line: str, where: str, number: int, folder: Path, manifest: Manifest) -> Lesson:
    shape = f"write {SHAPE[manifest.output]}"
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error})", shape) from error
    try:
        row = Row.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the row"
        raise DataError(f"{where}: {key}: {first['msg'].lower()}", shape) from error
    if row.image is None and manifest.needs_image:
        raise DataError(f"{where}: lacks the key 'image'", shape)
    picture = None
    if row.image is not None:
        picture = folder / row.image
        if not picture.is_file():
            raise DataError(f"{where}: there is no picture {row.image!r} in {folder}", "correct the name or add it")
    about = about_what(manifest.output, row.request)
    try:
        answer, boxes = _answer(row, content, manifest.output, about)
    except ValueError as error:
        raise DataError(f"{where}: {error}", shape) from error
    return Lesson(number, picture, manifest.prompts.picture.format(request=about), answer, boxes)


def _answer(row: Row, content: dict[str, Any], output: str, about: str) -> tuple[str, tuple[Box, ...]]:
    """Raises ValueError saying what is wrong with the row."""
    if output == "boxes":
        return _boxes(row, about)
    if output == "labels" and row.labels is not None:
        if any(not label.strip() or set(label) & set(",;\n") for label in row.labels):
            raise ValueError("a label is blank or holds a comma, a semicolon or a new line")
        return ", ".join(row.labels), ()
    if output == "json" and "json" in content:
        return json.dumps(row.json_value, ensure_ascii=False), ()
    if row.answer is None:
        raise ValueError(f"lacks the key {KEYS[output]!r}")
    if output == "json":
        _refuse_no_json(row.answer)
    return row.answer, ()


def _boxes(row: Row, about: str) -> tuple[str, tuple[Box, ...]]:
    given = [row.box] if row.box is not None else row.boxes
    if given is None:
        raise ValueError("lacks the key 'boxes' (an empty list where the thing is not there)")
    if not about.strip():
        raise ValueError("lacks the key 'request': what the boxes are around")
    boxes = sorted((_box(values) for values in given), key=lambda box: box[0] + box[2])
    return (_ARTICLE.sub("", about.strip()) if boxes else "none"), tuple(boxes)


def _box(values: Sequence[float]) -> Box:
    if len(values) != 4:
        raise ValueError(f"the box {list(values)} has not four numbers")
    try:
        return Region(label="", box=(values[0], values[1], values[2], values[3])).box
    except ValidationError:
        raise ValueError(f"the box {list(values)} is not x0 < x1, y0 < y1 inside 0..1") from None


def _refuse_no_json(answer: str) -> None:
    try:
        json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the answer is not JSON ({error}); or give it unquoted as 'json'") from None
