"""`conlora threads`: the conversations that are kept."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from apps.cli.common import JsonOption, load_settings, read_file, terminal_of, write_file
from apps.render import label, printable, table

app = typer.Typer(help="List, read, delete, export and import conversations.")
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the conversation.")]


class Format(StrEnum):
    """How a conversation is exported."""

    markdown = "markdown"
    json = "json"


@app.command("list")
def list_threads(
    ctx: typer.Context,
    search: Annotated[str, typer.Option("--search", metavar="WORDS", help="Only those that hold all words.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the conversations, the latest first."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        threads = agent.threads.search(search)
    rows = [[t.id, str(t.turns), t.updated_at[:16].replace("T", " "), t.title] for t in threads]
    lines = (
        table(["thread", "turns", "last (UTC)", "title"], rows)
        if rows
        else [f"no conversation holds {search!r}" if search else "no conversations yet"]
    )
    terminal.emit({"threads": threads}, as_json, lines)


@app.command("show")
def show(ctx: typer.Context, thread: IdArgument, as_json: JsonOption = False) -> None:
    """Print a conversation."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        transcript = agent.threads.show(thread)
    lines = []
    for turn in transcript.turns:
        picture = f" [picture {turn.image[:12]}]" if turn.image else ""
        lines += ["", f"you: {printable(turn.text)}{picture}"]
        lines += [f"  {label(step)}" for step in turn.steps]
        lines.append(f"agent: {printable(turn.answer)}")
    terminal.emit(transcript, as_json, lines[1:])


@app.command("rename")
def rename(
    ctx: typer.Context,
    thread: IdArgument,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What to call it.")],
    as_json: JsonOption = False,
) -> None:
    """Give a conversation another title."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        agent.threads.rename(thread, title)
    terminal.emit({"thread": thread, "title": title}, as_json, [f"renamed {thread}"])


@app.command("delete")
def delete(ctx: typer.Context, thread: IdArgument, as_json: JsonOption = False) -> None:
    """Delete a conversation, and the pictures that no other one uses."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        agent.threads.delete(thread)
    terminal.emit({"deleted": thread}, as_json, [f"deleted {thread}"])


@app.command("export")
def export(
    ctx: typer.Context,
    thread: IdArgument,
    form: Annotated[Format, typer.Option("--format", help="markdown or json.")] = Format.markdown,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to a file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Export a conversation as Markdown, or as JSON with its pictures, which can be imported."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        if output is None and as_json:
            terminal.emit(agent.threads.parcel(thread), as_json, [])
            return
        text = agent.threads.export(thread, form.value)
    if output is None:
        terminal.write(printable(text))
        return
    write_file(output, text.encode())
    terminal.emit({"thread": thread, "file": str(output)}, as_json, [f"exported {thread} to {output}"])


@app.command("import")
def bring(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `threads export --format json` wrote.")],
    thread: Annotated[str | None, typer.Option("--id", metavar="ID", help="Its id here, if not its own.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take in an exported conversation with its pictures; it goes on where it was."""
    from conlora_agent.memory.parcels import read_parcel

    terminal = terminal_of(ctx)
    parcel = read_parcel(read_file(file))
    with terminal.agent(load_settings()) as agent:
        name = agent.threads.bring(parcel, thread)
    line = f"imported {name}: {printable(parcel.title)}"
    terminal.emit({"thread": name, "turns": len(parcel.turns)}, as_json, [line])
