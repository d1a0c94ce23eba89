"""The generated parts of docs/: the command line's reference, and the graph as it is wired. `make docs` writes them.

Not covered here: whether they are up to date, which tests/test_docs.py checks.
"""

from __future__ import annotations

import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

DOCS = Path(__file__).parents[1] / "docs"
CLI, HOW = DOCS / "cli.md", DOCS / "how-it-works.md"
DRAWING = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def cli_reference() -> str:
    """Every command with its arguments and options, as Markdown."""
    from apps.cli import app

    command = typer.main.get_command(app)
    body = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="conlora"), name="conlora")
    return body.replace("# `conlora`", "# The command line\n\nWritten by `make docs`.", 1).rstrip() + "\n"


def graph_drawing() -> str:
    """The graph of one turn as a Mermaid diagram, drawn by LangGraph from the graph itself."""
    from langgraph.checkpoint.memory import InMemorySaver

    from conlora_agent.graph import build_graph

    drawn = build_graph(InMemorySaver()).get_graph().draw_mermaid().strip()
    return f"```mermaid\n{drawn}\n```"


def main() -> None:
    """Write both."""
    CLI.write_text(cli_reference(), encoding="utf-8")
    page = HOW.read_text(encoding="utf-8")
    HOW.write_text(DRAWING.sub(lambda _: graph_drawing(), page, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
