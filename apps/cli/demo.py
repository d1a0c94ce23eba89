"""`conlora demo`: the headline dialogue on the bundled picture."""

from __future__ import annotations

from typing import Any

import typer

from apps.cli.common import BackboneOption, JsonOption, load_settings, terminal_of
from apps.demo import PICTURE, play
from apps.render import turn_lines


def demo(ctx: typer.Context, backbone: BackboneOption = None, as_json: JsonOption = False) -> None:
    """Hold a short conversation about the bundled picture, naming each step's route."""
    terminal = terminal_of(ctx)
    turns: list[dict[str, Any]] = []
    with terminal.agent(load_settings(backbone)) as agent:
        if not as_json:
            terminal.say(f"picture: {PICTURE}")
        for text, result in play(agent):
            turns.append({"text": text, "turn": result.model_dump(mode="json")})
            if not as_json:
                steps, answer = turn_lines(result)
                terminal.say("", f"you: {text}")
                for line in steps:
                    terminal.dim(f"  {line}")
                terminal.say(f"agent: {answer}")
    thread = turns[-1]["turn"]["thread"]
    terminal.emit({"thread": thread, "turns": turns}, as_json, ["", f"go on with: conlora ask --thread {thread} TEXT"])
