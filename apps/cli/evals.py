"""`conlora eval`: how well the router and the tasks do on labelled data, through the same code that serves users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli import router_evals
from apps.cli.common import BackboneOption, JsonOption, Terminal, load_settings, terminal_of, to_json
from apps.cli.router_evals import HELD_OUT, figures
from conlora_agent.core.errors import BadInput

if TYPE_CHECKING:
    from pydantic import BaseModel

    from conlora_agent.core.types import Route

app = typer.Typer(help="Measure the router and the tasks on labelled data.")
app.command("router")(router_evals.router)
app.command("dialogues")(router_evals.dialogues)
app.command("plans")(router_evals.plans)
app.command("clinc150")(router_evals.clinc150)
app.command("intents")(router_evals.intents)
DirOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of pictures with a labels.jsonl; default: ours.")
]

LimitOption = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N rows.")]


@app.command("arguments")
def arguments(
    ctx: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="JSONL rows of messages; default: ours.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how often tools find exactly the arguments that a message means, or ask for the right one."""
    from evals.arguments import evaluate_arguments, load_rows

    rows = load_rows(data or HELD_OUT / "arguments_heldout.jsonl")
    emit(terminal_of(ctx), evaluate_arguments(rows), as_json)


@app.command("functions")
def functions(
    ctx: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="JSONL of functions with messages; default: ours.")
    ] = None,
    limit: LimitOption = None,
    backbone: BackboneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how often the model writes exactly the arguments that a message means, for functions it never saw."""
    from evals.functions import evaluate_functions, load_functions

    terminal, settings = terminal_of(ctx), load_settings(backbone)
    rows = load_functions(data or HELD_OUT / "functions_heldout.jsonl")
    with terminal.agent(settings) as agent:
        report = evaluate_functions(rows, agent, limit)
    emit(terminal, report, as_json)


@app.command("injections")
def injections(
    ctx: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="JSONL of texts that try; default: ours.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", metavar="NAME", help="Model that reads; default: a perfect reader.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how often text on pictures, pages, articles and in tool descriptions makes the agent act."""
    from evals.injections import evaluate_injections, load_attempts

    terminal, settings = terminal_of(ctx), load_settings(backbone)
    attempts = load_attempts(data or HELD_OUT / "injections.jsonl")
    with terminal.agent(settings) as agent:
        reader = agent.models.backbone() if backbone else None
        report = evaluate_injections(attempts, settings, reader)
    emit(terminal, report, as_json, "acts", "acted")


@app.command("new-tasks")
def new_tasks(
    ctx: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="JSONL of invented tasks; default: ours.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--task", metavar="NAME", help="Only this task; repeats.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what adding a task with eight examples does: which phrasings reach it, what other routes lose."""
    from evals.new_tasks import evaluate_new_tasks, load_new_tasks
    from evals.router import load_rows
    from router.embedding import EmbeddingRouter

    terminal = terminal_of(ctx)
    settings = load_settings()
    tasks = [task for task in load_new_tasks(data or HELD_OUT / "new_tasks.jsonl") if not only or task.task in only]
    if not tasks:
        raise BadInput(f"no task named {', '.join(only or [])} in the data", "leave --task out")
    rows = load_rows(HELD_OUT / "router_heldout.jsonl")
    with terminal.agent(settings) as agent:
        made = EmbeddingRouter(agent.routes(), cache_dir=settings.cache, base=agent.builtin_routes())

        def make(routes: Sequence[Route]) -> EmbeddingRouter:
            made.refit(routes)
            return made

        report = evaluate_new_tasks(tasks, rows, agent.routes(), make).model_dump(mode="json")
    lines = [f"{t['task']}: reached {t['reached']:.3f}, others lose {t['lost']:.4f}" for t in report["tasks"]]
    missed = [f"missed: {miss}" for task in report["tasks"] for miss in task["misses"]]
    terminal.emit(report, as_json, [*figures(report), *lines, *missed])


def emit(terminal: Terminal, measured: BaseModel, as_json: bool, listed: str = "misses", each: str = "missed") -> None:
    """Print the figures, and a line for each entry of the list that says what went wrong."""
    report = measured.model_dump(mode="json")
    terminal.emit(report, as_json, [*figures(report), *(f"{each}: {to_json(entry)}" for entry in report[listed])])


MEASURED = {
    "ocr": "Reading: character error rate and share of texts read exactly.",
    "grounding": "Finding things: share of boxes that overlap by half, and mean overlap.",
    "caption": "Describing: CIDEr, BLEU-4, and share of the objects that are named.",
    "vqa": "Answering questions: share of right answers.",
    "chart": "Reading charts: share of right answers, by what is asked.",
}


def measuring(task: str) -> Callable[..., None]:
    """The command that measures one task."""

    def measure(
        ctx: typer.Context,
        data: DirOption = None,
        limit: LimitOption = None,
        routed: Annotated[
            bool,
            typer.Option("--routed", help="Let the router choose the task, as it does for users."),
        ] = False,
        backbone: BackboneOption = None,
        as_json: JsonOption = False,
    ) -> None:
        from evals.tasks import evaluate_task

        terminal = terminal_of(ctx)
        settings = load_settings(backbone)
        with terminal.agent(settings) as agent:
            report = evaluate_task(task, data or HELD_OUT / task, agent, limit, routed=routed)
        terminal.emit(report, as_json, figures(report))

    return measure


for name, what in MEASURED.items():
    app.command(name, help=what)(measuring(name))
