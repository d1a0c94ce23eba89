"""`conlora tasks train`: a stack for a task of yours, from a file of examples.

On several GPUs: `accelerate launch -m conlora_agent tasks train NAME --data FILE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from apps.cli.common import BackboneOption, JsonOption, Terminal, load_settings, terminal_of
from apps.render import sparkline
from conlora_agent.core.errors import BadInput, UnknownName, WeightsError
from conlora_agent.settings import Precision

if TYPE_CHECKING:
    from adapters.manifest import Training
    from adapters.registry import TaskRegistry
    from conlora_agent.agent import Agent
    from conlora_agent.training.course import Look
    from conlora_agent.training.user import Order, Watcher

PRECISIONS = get_args(Precision)
DataOption = Annotated[Path, typer.Option("--data", metavar="FILE", help="JSONL with one example a line.")]


def train(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A task of yours, or a task folder.")],
    data: DataOption,
    folder: Annotated[Path | None, typer.Option("--dir", metavar="FOLDER", help="The task's folder.")] = None,
    validation: Annotated[
        Path | None, typer.Option("--validation", metavar="FILE", help="Rows to measure on; default: a tenth of FILE.")
    ] = None,
    backbone: BackboneOption = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Default: the manifest's.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Learning rate; default: the manifest's.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Rows a step learns from.")] = None,
    together: Annotated[
        int, typer.Option("--together", min=1, help="Rows in memory at once; a batch is gathered from several.")
    ] = 8,
    rank: Annotated[int | None, typer.Option("--rank", min=1, max=512, help="Rank of the LoRAs.")] = None,
    patience: Annotated[int | None, typer.Option("--patience", min=1, help="Looks without progress to stop.")] = None,
    start: Annotated[str | None, typer.Option("--start", metavar="TASK", help="Begin with its stack.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help=f"{', '.join(PRECISIONS)}.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same stack.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not resume an interrupted run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a stack for a task from examples; an interrupted run resumes when it is started again."""
    terminal, settings = terminal_of(ctx), load_settings(backbone, precision=_precision(precision))
    given = {"epochs": epochs, "rate": rate, "batch": batch, "rank": rank, "patience": patience, "start": start}
    with terminal.agent(settings) as agent:
        from conlora_agent.notice import noticed
        from conlora_agent.training.user import Order, read_rows, train_stack

        where = folder or find_folder(agent.tasks, name)
        manifest, training = _manifest(where, given)
        first = _start(agent, training.start, _trainable(settings.backbone))
        order = Order(where, manifest, training, data, validation, first, seed, together, settings.precision, fresh)
        with noticed(settings.cache, manifest.name) as tell, _watching(terminal, tell) as watcher:
            rows = read_rows(order, settings, watcher)
            report = train_stack(order, rows, agent.models.backbone, settings, watcher)
    if report is not None:
        terminal.emit(report, as_json, _lines(report, order, known=where.parent == agent.tasks.user_dir))


def find_folder(tasks: TaskRegistry, name: str) -> Path:
    """Folder of the user's task, or the task folder, that `name` means. Raises BadInput or UnknownName."""
    if name in tasks.problems():
        return tasks.user_dir / name
    if name in tasks.names():
        task = tasks.get(name)
        if task.builtin:
            raise BadInput(f"{name!r} is a built-in task and stays", "make your own with: conlora tasks new NAME")
        return task.folder
    if (Path(name) / "task.toml").is_file():
        return Path(name)
    raise UnknownName(f"no task and no task folder named {name!r}", f"make one with: conlora tasks new {name}")


def _manifest(folder: Path, given: dict[str, Any]) -> tuple[Any, Training]:
    """The manifest of a folder, and its training table with what was given on the command line."""
    from pydantic import ValidationError

    from adapters.manifest import Training, read_manifest

    manifest = read_manifest(folder)
    said = {key: value for key, value in given.items() if value is not None}
    try:
        return manifest, Training.model_validate({**manifest.training.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"--{first['loc'][0]}: {first['msg'].lower()}", "correct it") from error


def _precision(given: str | None) -> str | None:
    if given is not None and given not in PRECISIONS:
        raise UnknownName.among("precision", given, PRECISIONS)
    return given


def _trainable(backbone: str) -> str:
    """What manifests call the backbone. Raises BadInput for one that runs elsewhere."""
    from conlora_agent.backbone import backbone_name, is_server

    if is_server(backbone):
        raise BadInput(f"stacks for {backbone} are not trained through its server", "give the model itself: --backbone")
    return backbone_name(backbone) or backbone


def _start(agent: Agent, name: str | None, backbone: str) -> Path | None:
    """Folder of the stack to begin with."""
    if name is None:
        return None
    try:
        folder = agent.tasks.get(name).weights(backbone)
    except WeightsError as error:
        raise BadInput(error.problem, error.remedy) from error
    if folder is None:
        raise BadInput(f"{name!r} has no stack for {backbone} to start from", "choose another task, or none")
    return folder


@contextmanager
def _watching(terminal: Terminal, tell: Callable[[int, int, float], None]) -> Iterator[Watcher]:
    """Shows how training goes: a bar on a terminal, elsewhere one line a look. `tell` is told each step, too."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from conlora_agent.training.user import Watcher

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=terminal.err), disable=not terminal.err.isatty()) as bar:
        checking = bar.add_task("checking rows", total=None)
        learning = bar.add_task("learning", total=None, visible=False)

        def on_check(done: int, of: int) -> None:
            bar.update(checking, completed=done, total=of)

        def on_step(step: int, of: int, loss: float) -> None:
            bar.update(learning, completed=step, total=of, visible=True, description=f"learning, loss {loss:.3f}")
            tell(step, of, loss)

        def on_look(look: Look) -> None:
            learned = "" if look.train_loss is None else f"loss {look.train_loss:.3f}, "
            bar.console.print(f"step {look.step}: {learned}held-out loss {look.validation_loss:.3f}", highlight=False)

        yield Watcher(on_check, on_step, on_look)


def _lines(report: dict[str, Any], order: Order, *, known: bool) -> list[str]:
    losses = [look["validation_loss"] for look in report["curve"]]
    how = "stopped early" if report["stopped_early"] else "to the end"
    lines = [
        f"trained {report['task']} for {report['backbone']}: {report['steps']} steps on {report['rows']} rows, {how}",
        f"held-out loss {sparkline(losses)} {losses[0]:.3f} -> {report['validation_loss']:.3f}, "
        f"best at step {report['best_step']}",
        f"weights: {report['folder']}",
    ]
    if report["best_step"] == 0:
        lines.append("it has learned nothing: lower --rate, or give more rows or epochs")
    return lines if known else [*lines, f"next: conlora tasks check {order.folder}, conlora tasks add {order.folder}"]
