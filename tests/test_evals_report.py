"""The report of a router evaluation: whole, self-contained, and never instead of something else."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from conlora_agent.core.errors import BadInput, StorageError
from conlora_agent.core.types import Plan, PlannedStep, RouteQuery
from evals.pictures import confusion_png, reliability_png
from evals.report import check_folder, write_report
from evals.router import RouterReport, RouterRow, evaluate_router
from evals.scores import Bin
from tests.router_routes import make_route


class Reader:
    """Takes everything for reading, and two requests where there is an `and`."""

    routes = (make_route("ocr", "task", "read"), make_route("chat", "chat", "hi"))

    def plan(self, query: RouteQuery) -> Plan:
        step = PlannedStep(route="ocr", kind="task", confidence=0.8, request=query.text)
        return Plan(steps=(step, step) if " and " in query.text else (step,))


def measured() -> RouterReport:
    texts = (("read <b>it</b>", "ocr"), ("hi", "chat"), ("this and that", "ocr"))
    return evaluate_router([RouterRow(text=text, steps=(route,)) for text, route in texts], Reader())


def test_rows_are_counted_by_what_they_took() -> None:
    report = measured()
    assert report.confusion == {"ocr": {"ocr": 1, "several": 1}, "chat": {"ocr": 1}}
    assert sum(one.n for one in report.reliability) == 3


def test_the_page_needs_nothing_else_and_quotes_what_users_wrote(tmp_path: Path) -> None:
    page = write_report(measured(), "Router: <test>", tmp_path / "made" / "report")
    html = page.read_text()
    assert sorted(path.name for path in page.parent.iterdir()) == ["confusion.png", "reliability.png", "report.html"]
    assert "Router: &lt;test&gt;" in html
    assert "this and that" in html
    assert "<b>" not in html
    assert set(re.findall(r'(?:src|href)="([^:"]+:)', html)) == {"data:"}


def test_more_errors_change_the_pictures() -> None:
    def pixels(data: bytes) -> bytes:
        return Image.open(io.BytesIO(data)).convert("RGB").tobytes()

    assert pixels(confusion_png({"a": {"a": 9}})) != pixels(confusion_png({"a": {"a": 5, "b": 4}}))
    honest, proud = (Bin(n=9, confidence=0.9, accuracy=accuracy) for accuracy in (0.9, 0.4))
    assert pixels(reliability_png([honest])) != pixels(reliability_png([proud]))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("mine")
    with pytest.raises(BadInput, match="is a file"):
        check_folder(file)
    with pytest.raises(StorageError, match="cannot write the report"):
        write_report(measured(), "Router", file / "below")
    assert file.read_text() == "mine"
