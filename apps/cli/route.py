"""`conlora route`: what the router would do with a message, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps.cli.common import ImageOption, JsonOption, ThreadOption, check_request, load_settings, terminal_of
from apps.render import duration, percent, table

if TYPE_CHECKING:
    from conlora_agent.core.types import Explanation


def route(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What a user would say.")],
    image: ImageOption = None,
    previous: Annotated[
        list[str] | None,
        typer.Option("--previous", metavar="NAME", help="Route of a turn before; repeat it, oldest first."),
    ] = None,
    thread: ThreadOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why, and how far to trust it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which route a message takes, and how sure the router is."""
    terminal = terminal_of(ctx)
    settings = load_settings()
    check_request(settings, text, image)
    with terminal.agent(settings) as agent:
        for name in sorted(set(previous or ()) - {known.name for known in agent.routes()}):
            terminal.note(f"no route named {name!r} is registered; the router cannot know what it means")
        asked: dict[str, Any] = {"has_image": image is not None, "previous": previous or (), "thread": thread}
        plan = agent.route(text, **asked)
        why = agent.explain(text, **asked) if explain else None
    steps = [{"route": s.route, "kind": s.kind, "confidence": s.confidence} for s in plan.steps]
    value: dict[str, Any] = {"steps": steps, "candidates": plan.candidates, "ms": plan.ms}
    rows = [[s.route, s.kind, percent(s.confidence), s.request] for s in plan.steps]
    others = ", ".join(f"{c.route} {percent(c.confidence)}" for c in plan.candidates)
    lines = [*table(["route", "kind", "sure", "request"], rows), f"candidates: {others}", duration(plan.ms)]
    if why is not None:
        value |= {"explanation": why}
        lines += reasons(why)
    terminal.emit(value, as_json, lines)


def reasons(why: Explanation) -> list[str]:
    """An explanation in lines."""
    near = [[f"{n.similarity:.2f}", n.route, n.text] for n in why.nearest]
    spoke = [[f"{i.weight:+.1f}", i.what] for i in why.influences]
    return [
        "",
        "nearest examples:",
        *table(["likeness", "route", "example"], near),
        "",
        f"what spoke for {why.route} (+) and for {why.instead_of} (-):",
        *table(["weight", "what"], spoke),
        "",
        why.trust,
    ]
