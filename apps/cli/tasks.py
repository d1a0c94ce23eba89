"""`conlora tasks`: what can be asked of a picture; adding and removing tasks takes effect at once, everywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps.cli.common import JsonOption, load_settings, terminal_of
from apps.cli.teach import teach
from apps.cli.train import train
from apps.render import table
from conlora_agent.core.errors import BadInput, ManifestError, WeightsError

if TYPE_CHECKING:
    from adapters.task import Task
    from conlora_agent.agent import Agent

app = typer.Typer(help="List, make, add, remove and check tasks.")
app.command("train")(train)
app.command("teach")(teach)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the task.")]


@app.command("list")
def list_tasks(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the tasks, and the folders that cannot be used."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        backbone = agent.models.name
        tasks, broken, off = agent.tasks.all(), agent.tasks.problems(), agent.tasks.off()
    value = {
        "tasks": [summary(task, backbone) | {"on": task.name not in off} for task in tasks],
        "problems": {name: str(error) for name, error in broken.items()},
    }
    rows = [
        [task.name, task.manifest.output, _origin(task), _adapter(task, backbone), task.manifest.description]
        for task in tasks
    ]
    lines = [*table(["task", "output", "from", f"on {backbone}", "what it does"], rows)]
    lines += [f"{name} is switched off" for name in sorted(off)]
    lines += [f"{name} cannot be used: {error}" for name, error in broken.items()]
    terminal.emit(value, as_json, lines)


@app.command("show")
def show(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show one task in full."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        backbone = agent.models.name
        task = agent.tasks.get(name)
    value = summary(task, backbone) | {
        "prompts": task.manifest.prompts,
        "max_new_tokens": task.manifest.max_new_tokens,
        "backbones": task.manifest.backbones,
        "examples": task.examples,
    }
    lines = [
        f"{task.name}: {task.manifest.description}",
        f"folder: {task.folder} ({_origin(task)})",
        f"needs a picture: {'yes' if task.manifest.needs_image else 'no'}; output: {task.manifest.output}",
        f"on {backbone}: {_adapter(task, backbone)}",
        f"routing examples: {len(task.examples)}, such as:",
        *(f"  {example.text}" for example in task.examples[:5]),
    ]
    terminal.emit(value, as_json, lines)


@app.command("new")
def new(
    ctx: typer.Context,
    name: NameArgument,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER_TO_MAKE", help="Default: one named after the task.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the beginning of a task: a manifest to fill in, a place for routing examples, a card for the data."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        made = agent.tasks.new(name, folder)
    lines = [f"made {made}", f"write 8 routing examples to {made / 'examples.jsonl'}, then: conlora tasks add {made}"]
    terminal.emit({"task": name, "folder": str(made)}, as_json, lines)


@app.command("add")
def add(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FOLDER|ZIP|HUB_ID", help="A task folder, a ZIP of one, or owner/name on the hub.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Add a task to your tasks; it takes effect at once, in running servers too."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        from conlora_agent.overlap import overlaps

        try:
            task = agent.tasks.add(source)
        except WeightsError as error:
            # Here the weights are what the user hands in, so they are bad input.
            raise ManifestError(error.problem, error.remedy) from error
        warnings, backbone = overlaps(agent, task), agent.models.name
    for warning in warnings:
        terminal.note(f"{task.name}: {warning}")
    value = summary(task, backbone) | {"warnings": warnings}
    terminal.emit(value, as_json, [f"added {task.name} ({_adapter(task, backbone)} on {backbone})"])


@app.command("export")
def export(
    ctx: typer.Context,
    name: NameArgument,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: NAME.zip here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pack a task with its stacks into one ZIP file, which `tasks add` takes."""
    from adapters.archive import pack

    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        archive = pack(agent.tasks.get(name).folder, to or Path(f"{name}.zip"))
    terminal.emit({"task": name, "file": str(archive)}, as_json, [f"packed {name} into {archive}"])


@app.command("remove")
def remove(
    ctx: typer.Context,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove one of your tasks."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        if name not in agent.tasks.problems() and agent.tasks.get(name).builtin:
            raise BadInput(f"{name!r} is a built-in task and stays", "remove only tasks that you added")
        if not yes:
            _confirm(f"remove the task {name!r} with its weights?")
        agent.tasks.remove(name)
    terminal.emit({"removed": name}, as_json, [f"removed {name}"])


@app.command("on")
def switch_on(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Let the router choose a task again."""
    _switch(ctx, name, as_json, on=True)


@app.command("off")
def switch_off(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Keep the router from choosing a task; it still runs when it is asked for by name."""
    _switch(ctx, name, as_json, on=False)


def _switch(ctx: typer.Context, name: str, as_json: bool, *, on: bool) -> None:
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        agent.tasks.switch(name, on=on)
    terminal.emit({"name": name, "on": on}, as_json, [f"{name} is {'on' if on else 'off'}"])


@app.command("check")
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FOLDER]...", help="Tasks or task folders; default: all tasks.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check folders, stacks and routing examples; exit code 1 when something is wrong. Overlaps only warn."""
    terminal = terminal_of(ctx)
    with terminal.agent(load_settings()) as agent:
        chosen = names or [*agent.tasks.names(), *agent.tasks.problems()]
        backbone = agent.models.name
        found = [_checked(agent, name) for name in chosen]
    lines = []
    for one in found:
        lines.append(f"{one['name']}: {'; '.join(one['problems']) or 'ok'}{_prompt_only(one, backbone)}")
        lines += [f"  {warning}" for warning in one["warnings"]]
    terminal.emit({"tasks": found}, as_json, lines)
    if not all(one["ok"] for one in found):
        raise typer.Exit(1)


def _checked(agent: Agent, name: str) -> dict[str, Any]:
    """What there is to say about a task, or about a task folder that is not added yet."""
    from adapters.task import load_task
    from conlora_agent.overlap import overlaps

    known = name in (*agent.tasks.names(), *agent.tasks.problems())
    try:
        task = agent.tasks.get(name) if known or not Path(name).is_dir() else load_task(Path(name))
    except ManifestError as error:
        return {"name": name, "ok": False, "problems": [str(error)], "warnings": [], "adapter": None}
    problems = agent.tasks.problems_of(task)
    warnings = overlaps(agent, task) if task.manifest.routable else []
    adapter = summary(task, agent.models.name)["adapter"]
    return {"name": task.name, "ok": not problems, "problems": problems, "warnings": warnings, "adapter": adapter}


def _prompt_only(checked: dict[str, Any], backbone: str) -> str:
    return f", prompt only on {backbone}" if checked["ok"] and checked["adapter"] is None else ""


def summary(task: Task, backbone: str) -> dict[str, Any]:
    """One task as JSON. `adapter`: where its LoRAs come from on this backbone, null when its prompt alone runs."""
    manifest = task.manifest
    source = manifest.backbones.get(backbone)
    return {
        "name": task.name,
        "title": manifest.title,
        "description": manifest.description,
        "needs_image": manifest.needs_image,
        "routable": manifest.routable,
        "output": manifest.output,
        "builtin": task.builtin,
        "folder": str(task.folder),
        "adapter": (source.weights or source.hub) if source else None,
    }


def _origin(task: Task) -> str:
    return "built-in" if task.builtin else "yours"


def _adapter(task: Task, backbone: str) -> str:
    return "LoRA stack" if backbone in task.manifest.backbones else "prompt only"


def _confirm(question: str) -> None:
    """Raises BadInput when nobody can be asked, Abort when the answer is no."""
    if not sys.stdin.isatty():
        raise BadInput("nobody is there to confirm", "add --yes")
    typer.confirm(question, abort=True, err=True)
