"""`conlora tools`: the open-domain tools, and calling one by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps.cli.common import JsonOption, load_settings, read_picture, terminal_of
from apps.render import compact, printable, table
from conlora_agent.core.errors import BadInput, ToolError, UnknownName
from conlora_agent.core.files import read_text
from conlora_agent.memory.pictures import TransientPictures

if TYPE_CHECKING:
    from tools.base import Tool

app = typer.Typer(help="List, call and check the tools.")


@app.command("list")
def list_tools(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the tools with their arguments."""
    from tools.base import argument_names

    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        tools = [agent.tools.get(name) for name in agent.tools.names()]
    value = [
        {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "arguments": tool.args_model.model_json_schema(),
            "result": tool.result_model.model_json_schema(),
            "examples": len(tool.examples),
            "needs_image": tool.needs_image,
            "changes": tool.changes,
        }
        for tool in tools
    ]
    rows = [[tool.name, ", ".join(argument_names(tool.args_model)), tool.description] for tool in tools]
    terminal.emit({"tools": value}, as_json, table(["tool", "arguments", "what it does"], rows))


@app.command("call")
def call(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the tool.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARGUMENTS]", help="A JSON object, KEY=VALUE pairs, or a request in your own words."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="Picture for a tool that takes one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Call a tool."""
    terminal, settings = terminal_of(ctx), load_settings()
    data = None if image is None else read_picture(settings, image)
    with terminal.agent(settings) as agent, TransientPictures(agent.pictures) as lent:
        tool = agent.tools.get(name)
        if data is not None and not tool.needs_image:
            raise BadInput(f"{name} takes no picture", "leave --image out")
        picture = {} if data is None else {"image": lent.put(data)}
        arguments = {**read_arguments(tool, words or []), **picture}
        if tool.needs_image and "image" not in arguments:
            raise BadInput(f"{name} needs a picture", "give it with --image FILE")
        result = tool.call(arguments)
    value = {
        "tool": tool.name,
        "tool_args": arguments,
        "tool_result": result.value,
        "text": result.text,
        "source": result.source,
    }
    source = [f"source: {printable(result.source)}"] if result.source else []
    terminal.emit(value, as_json, [f"{tool.name} {compact(arguments)}", printable(result.text), *source])


@app.command("add")
def add(
    ctx: typer.Context,
    openapi: Annotated[str, typer.Option("--openapi", metavar="FILE|URL", help="OpenAPI 3 document, JSON or YAML.")],
    operation: Annotated[str, typer.Option("--operation", metavar="ID", help="operationId, or such as 'GET /pets'.")],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name of the tool; default: the operation's.")
    ] = "",
    example: Annotated[
        list[str] | None, typer.Option("--example", metavar="TEXT", help="How people ask for it; repeat.")
    ] = None,
    changes: Annotated[
        bool, typer.Option("--allow-changes", help="Take one that may change something; each call asks you first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn an operation of a web service into a tool."""
    from conlora_agent.defaults import TOOLS
    from tools.openapi import read_operation
    from tools.operations import save_operation

    terminal, settings = terminal_of(ctx), load_settings()
    is_web = openapi.startswith(("http://", "https://"))
    spec = settings.client().get(openapi).content.decode("utf-8", "replace") if is_web else read_text(Path(openapi))
    found = read_operation(spec, openapi, operation, name=name, examples=tuple(example or ()), changes=changes)
    with terminal.agent(settings) as agent:
        taken = [*agent.tools.names(), *agent.tasks.names()]
    if found.name in taken:
        raise BadInput(f"{found.name!r} is taken already", "choose another with --name")
    path = save_operation(found, settings.home / TOOLS)
    value = {"name": found.name, "title": found.title, "arguments": found.parameters, "file": str(path)}
    terminal.emit(value, as_json, [f"added {found.name}: {printable(found.title)}", "from now on: conlora tools list"])


@app.command("remove")
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A tool that was added.")],
    as_json: JsonOption = False,
) -> None:
    """Remove a tool that was added."""
    from conlora_agent.defaults import TOOLS

    folder = load_settings().home / TOOLS
    added = {path.stem: path for path in folder.glob("*.json")} if folder.is_dir() else {}
    if name not in added:
        raise UnknownName.among("added tool", name, added)
    added[name].unlink()
    terminal_of(ctx).emit({"removed": name}, as_json, [f"removed {name}"])


@app.command("check")
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Tools to check; default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that tools can answer now; exit code 1 when one cannot."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        chosen = [agent.tools.get(name).name for name in names or agent.tools.names()]
        found = {name: agent.tools.check(name) for name in chosen}
        if not names:
            found |= {source: [problem] for source, problem in agent.tools.silent.items()}
    value = [{"name": name, "ok": not problems, "problems": problems} for name, problems in found.items()]
    lines = [f"{name}: {'; '.join(problems) or 'ok'}" for name, problems in found.items()]
    terminal.emit({"tools": value}, as_json, lines)
    if any(found.values()):
        raise typer.Exit(ToolError.exit_code)


def read_arguments(tool: Tool[Any], words: list[str]) -> dict[str, Any]:
    """Arguments from the command line, in any of the three ways of writing them. Raises BadInput."""
    from tools.base import ToolContext, argument_names

    text = " ".join(words).strip()
    if not text:
        return {}
    if text.startswith("{"):
        return _object(text)
    pairs = [word.partition("=") for word in words]
    if all(sign and key in argument_names(tool.args_model) for key, sign, _ in pairs):
        return {key: _value(value) for key, _, value in pairs}
    return {} if tool.needs_image else tool.arguments(text, ToolContext())


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadInput(f"the arguments are not JSON ({error})", 'write them like {"name": "value"}') from error
    if not isinstance(value, dict):
        raise BadInput("the arguments are no JSON object", 'write them like {"name": "value"}')
    return value


def _value(text: str) -> Any:
    """A number, list, true, false or null where it reads as one; otherwise the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
