"""Rows of a task's labels.jsonl: checked, with their pictures found, before anything heavy loads."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from conlora_agent.core.errors import DataError, UnknownName
from conlora_agent.core.types import Box
from evals.jsonl import located_rows

LABELS = "labels.jsonl"


class Row(BaseModel):
    """A labelled picture. `image` is a path inside the data folder. Other keys than a task's own are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: str = Field(min_length=1)


class OcrRow(Row):
    """A picture and all that is written on it, lines separated by newlines."""

    text: str


class GroundingRow(Row):
    """A phrase and the box it means (`box`), or several or none (`boxes`)."""

    phrase: str = Field(min_length=1)
    box: Box | None = None
    boxes: tuple[Box, ...] | None = None

    @field_validator("box", "boxes")
    @classmethod
    def _inside(cls, value: Box | tuple[Box, ...] | None) -> Box | tuple[Box, ...] | None:
        boxes = () if value is None else value if not value or isinstance(value[0], tuple) else (value,)
        for box in boxes:
            x0, y0, x1, y1 = box
            if not (0.0 <= x0 < x1 <= 1.0 and 0.0 <= y0 < y1 <= 1.0):
                raise ValueError(f"{list(box)} is not x0 < x1, y0 < y1 inside 0..1")
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.box is None) == (self.boxes is None):
            raise ValueError("give either 'box' or 'boxes'")
        return self

    @property
    def truths(self) -> tuple[Box, ...]:
        """All true boxes, none when the thing is absent."""
        return (self.box,) if self.box is not None else self.boxes or ()


class CaptionRow(Row):
    """Reference captions, names of the objects to mention, or both."""

    captions: tuple[str, ...] | None = Field(default=None, min_length=1)
    objects: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.captions is None and self.objects is None:
            raise ValueError("give 'captions', 'objects' or both")
        return self


class VqaRow(Row):
    """A question and the answers that are right."""

    question: str = Field(min_length=1)
    answers: tuple[str, ...] = Field(min_length=1)


class ChartRow(VqaRow):
    """The same about a chart: the last number of each line of an answer may be off by `tolerance`."""

    tolerance: float = Field(default=0.0, ge=0.0)
    kind: str = "other"
    """What is asked for: "title", a value ("written" at the datum, or "read_off" an axis), "table", ..."""


ROWS: dict[str, type[Row]] = {
    "ocr": OcrRow, "grounding": GroundingRow, "caption": CaptionRow, "vqa": VqaRow, "chart": ChartRow,
}  # fmt: skip
"""Row type of each task that can be evaluated."""


def load_labels(task: str, data: Path) -> list[Row]:
    """Rows of `data`/labels.jsonl. Raises UnknownName for the task, DataError naming file and line."""
    if task not in ROWS:
        raise UnknownName.among("evaluation", task, ROWS)
    rows: list[Row] = []
    for where, row in located_rows(data / LABELS, ROWS[task], f"write a {LABELS} as in evals/data/{task}"):
        picture = (data / row.image).resolve()
        if not picture.is_relative_to(data.resolve()) or not picture.is_file():
            raise DataError(f"{where}: there is no picture {row.image!r} in {data}", "correct the name or add it")
        rows.append(row)
    return rows
