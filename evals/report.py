"""The report of a router evaluation: two PNG pictures, and one HTML page that holds everything, to be read offline."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from conlora_agent.core.errors import BadInput, StorageError
from conlora_agent.core.files import replace_file
from evals.pictures import confusion_png, reliability_png
from evals.router import RouterReport

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1e1e28}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #e1e4eb}
td.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}"""


def check_folder(folder: Path) -> None:
    """Raises BadInput where no report can go, before anything is measured."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file", "name a folder for the report")


def write_report(report: RouterReport, title: str, folder: Path) -> Path:
    """Write `confusion.png`, `reliability.png` and `report.html`, each whole or not at all. Raises StorageError."""
    pictures = {
        "confusion.png": confusion_png(report.confusion),
        "reliability.png": reliability_png(report.reliability),
    }
    files = {**pictures, "report.html": _page(report, title, pictures).encode()}
    try:
        for name, data in files.items():
            replace_file(folder / name, data)
    except OSError as error:
        raise StorageError(f"cannot write the report to {folder} ({error.strerror})", "name another folder") from error
    return folder / "report.html"


def _page(report: RouterReport, title: str, pictures: dict[str, bytes]) -> str:
    confusion, reliability = (
        f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        for name, data in pictures.items()
    )
    figures: list[Sequence[object]] = [
        ("rows", report.n),
        ("whole plan right", report.accuracy),
        ("macro F1", report.macro_f1),
        ("AUROC of what only a question can serve", report.oos_auroc),
        ("expected calibration error", report.ece),
        ("latency p50, ms", report.latency_ms.p50),
        ("latency p95, ms", report.latency_ms.p95),
    ]
    routes = [(one.name, one.n, one.precision, one.recall, one.f1) for one in report.routes]
    misses = [
        (m.text, ", ".join(m.previous), ", ".join(m.expected), ", ".join(m.got), m.confidence) for m in report.misses
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1>{_table(('figure', 'value'), figures)}"
        f"<h2>Routes</h2>{_table(('route', 'n', 'precision', 'recall', 'F1'), routes)}"
        f"<h2>Confusion</h2><p>Rows: expected; columns: taken. Messages of one request.</p>{confusion}"
        f"<h2>Reliability</h2>{reliability}"
        f"<h2>Misses</h2>{_table(('message', 'before', 'expected', 'taken', 'confidence'), misses)}</html>\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    heading = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><tr>{heading}</tr>{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="n">{value:.3f}</td>'
    if isinstance(value, int):
        return f'<td class="n">{value}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"
