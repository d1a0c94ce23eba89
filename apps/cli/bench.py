"""`conlora bench`: how fast the backbone is beside a baseline, measured in the same run on this machine."""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import Annotated

import typer

from apps.cli.common import BackboneOption, JsonOption, load_settings, terminal_of, to_json


def bench(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="switching, vision, prefix, batching or load.")],
    backbone: BackboneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure speed. The last line is one of JSON; its ratio says how many times better than the baseline."""
    from conlora_agent.core.errors import BackboneError, UnknownName
    from evals.bench import BENCHES
    from evals.bench import bench as measure

    terminal = terminal_of(ctx)
    if name not in BENCHES:
        raise UnknownName.among("benchmark", name, BENCHES)
    settings = load_settings(backbone)
    from conlora_agent.backbone import load_backbone
    from conlora_agent.backbone.local import LocalBackbone

    note = terminal.note if as_json else terminal.say
    note(f"{name}: {BENCHES[name]}")
    with redirect_stdout(terminal.err):
        model = load_backbone(settings.backbone, settings, terminal.progress)
        if not isinstance(model, LocalBackbone):
            raise BackboneError(f"{model.name} runs elsewhere", "measure a backbone of this process")
        report = measure(name, model, note)
    terminal.say(to_json(report))
