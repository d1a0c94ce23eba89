"""The `conlora` command: one module per group of commands, imported light so that it starts fast.

`main` turns whatever happens into an exit code: 0 done, 1 failed, 2 bad input, 130 interrupted; errors are one line.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer import TyperException

from apps.cli import ask, bench, chat, demo, doctor, evals, mcp, models, route, serve, tasks, threads, tools, web
from apps.cli.common import OpenAgent, Terminal, one_line, open_agent
from conlora_agent.core.errors import INTERRUPTED, ConloraError

app = typer.Typer(name="conlora", add_completion=False, invoke_without_command=True)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("web")(web.web)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("route")(route.route)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("mcp")(mcp.mcp)
app.add_typer(tasks.app, name="tasks")
app.add_typer(tools.app, name="tools")
app.add_typer(threads.app, name="threads")
app.add_typer(models.app, name="models")
app.add_typer(evals.app, name="eval")


@app.callback()
def root(
    ctx: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Talk about pictures. The agent chooses the LoRA stack, the tool and the region by itself."""
    if version:
        import conlora_agent

        ctx.obj.say(conlora_agent.__version__)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        ctx.obj.write(ctx.get_help())  # with rich it prints the help itself and returns nothing


def main(argv: Sequence[str] | None = None, *, open_agent: OpenAgent = open_agent) -> NoReturn:
    """Run one command and exit. `open_agent` makes the agent; tests hand in their own."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = run(argv, Terminal(open_agent=open_agent))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left. What is still buffered must not raise again while Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    raise SystemExit(code)


def run(argv: Sequence[str] | None, terminal: Terminal) -> int:
    """Run one command; every error becomes one line on the terminal and an exit code."""
    try:
        command = typer.main.get_command(app)
        code = command.main(args=argv, prog_name="conlora", standalone_mode=False, obj=terminal)
        return code if isinstance(code, int) else 0
    except ConloraError as error:
        terminal.note(f"conlora: {error}")
        return error.exit_code
    except TyperException as error:
        terminal.note(f"conlora: {usage(error)}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        terminal.note(f"conlora: {unexpected(error)}")
        return 1


def usage(error: TyperException) -> str:
    """A usage error with the command whose help says more."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "conlora"
    return f"{error.format_message().rstrip('.')}; see: {path} --help"


def unexpected(error: Exception) -> str:
    """One line about a mistake of ours, its traceback kept in a file."""
    from conlora_agent.settings import Settings

    line = one_line(f"{type(error).__name__}: {error}")[:300]
    try:
        path = Settings.load().cache / "last-error.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except (OSError, ConloraError):
        return f"internal error ({line}); please report it"
    return f"internal error ({line}); please report it with {path}"
