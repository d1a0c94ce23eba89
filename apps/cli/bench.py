"""`conlora bench`: how fast the backbone is beside a baseline, measured in the same run on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from apps.cli.common import BackboneOption, JsonOption, load_settings, terminal_of, to_json
from conlora_agent.core.errors import BadInput

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone


def bench(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="switching, vision, prefix, batching or load.")],
    backbone: BackboneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure speed. The last line is one of JSON; its ratio says how many times better than the baseline."""
    from conlora_agent.backbone import is_server
    from evals.bench import BENCHES, check_bench
    from evals.bench import bench as measure

    terminal, settings = terminal_of(ctx), load_settings(backbone)
    if is_server(settings.backbone):
        raise BadInput(f"{settings.backbone} runs elsewhere", "measure a backbone of this process")
    note = terminal.note if as_json else terminal.say
    with terminal.agent(settings) as agent:
        stacks = check_bench(name, agent.tasks, agent.models.name)
        note(f"{name}: {BENCHES[name]}")
        report = measure(name, cast("LocalBackbone", agent.models.backbone()), stacks, note)
    terminal.say(to_json(report))
