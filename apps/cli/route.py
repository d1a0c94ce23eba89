"""`conlora route`: what the router would do with a message, without doing it."""

from __future__ import annotations

from typing import Annotated

import typer

from apps.cli.common import ImageOption, JsonOption, ThreadOption, check_request, load_settings, terminal_of
from apps.render import duration, percent, table


def route(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What a user would say.")],
    image: ImageOption = None,
    previous: Annotated[
        list[str] | None,
        typer.Option("--previous", metavar="NAME", help="Route of a turn before; repeat it, oldest first."),
    ] = None,
    thread: ThreadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which route a message takes, and how sure the router is."""
    terminal = terminal_of(ctx)
    settings = load_settings()
    check_request(settings, text, image)
    with terminal.agent(settings) as agent:
        for name in sorted(set(previous or ()) - {known.name for known in agent.routes()}):
            terminal.note(f"no route named {name!r} is registered; the router cannot know what it means")
        plan = agent.route(text, has_image=image is not None, previous=previous or (), thread=thread)
    steps = [{"route": s.route, "kind": s.kind, "confidence": s.confidence} for s in plan.steps]
    value = {"steps": steps, "candidates": plan.candidates, "ms": plan.ms}
    rows = [[s.route, s.kind, percent(s.confidence), s.request] for s in plan.steps]
    others = ", ".join(f"{c.route} {percent(c.confidence)}" for c in plan.candidates)
    lines = [*table(["route", "kind", "sure", "request"], rows), f"candidates: {others}", duration(plan.ms)]
    terminal.emit(value, as_json, lines)
