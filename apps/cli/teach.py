"""`conlora tasks teach`: keep a phrase of one's own as a routing example, or drop it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from apps.cli.common import JsonOption, load_settings, terminal_of


def teach(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TASK", help="A task, a tool or chat.")],
    phrase: Annotated[str, typer.Argument(metavar="PHRASE", help="What you would say to have it.")],
    image: Annotated[bool, typer.Option("--image/--no-image", help="Said while a picture is there, or not.")] = True,
    forget: Annotated[bool, typer.Option("--forget", help="Drop the phrase instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Teach the router that a phrase means a task or tool; it learns at once and keeps it in your home."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        if forget:
            agent.unteach(name, phrase)
        else:
            agent.teach(name, phrase, has_image=image)
        now = agent.route(phrase, has_image=image).steps[0].route
    value: dict[str, Any] = {"route": name, "text": phrase, "taught": not forget, "now": now}
    done = f"forgot {phrase!r} for {name}" if forget else f"{phrase!r} is kept for {name}"
    terminal.emit(value, as_json, [f"{done}; it goes to {now} now"])
    if not forget and now != name:
        terminal.note(f"{phrase!r} still goes to {now}; teach it in more words that only {name} would be asked")
