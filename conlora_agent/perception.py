"""A task step: choose the picture or the region to look at, activate the stack, generate, read the answer.

Boxes found inside a region are given on the whole picture. What is to be read on a thing that nobody has found yet is
read where that thing is found first; words to be found are looked for among the lines that were read. Not covered here:
resolving words to regions (conlora_agent.focus), the layout of the prompt (the backbone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conlora_agent.answers import found, not_found
from conlora_agent.core.protocols import GenerateRequest, Generation
from conlora_agent.core.referents import RegionReferent
from conlora_agent.core.types import Box, PlannedStep, Region, Step, Usage
from conlora_agent.focus import MARKED, resolve_region
from conlora_agent.phrases import about_what, referring_phrase
from conlora_agent.steps import Outcome, StepRun
from conlora_agent.writing import bearer, places_of, words_sought

if TYPE_CHECKING:
    from PIL.Image import Image

    from adapters.parsers import Parsed
    from adapters.task import Task
    from adapters.weights import Scores

FINDS = "grounding"
"""The route that finds things."""
MARGIN = 0.05
"""Of a region's width and height, added on each side: boxes cut letters off."""


@dataclass(frozen=True)
class View:
    """What a step looks at: the picture `image`, or the `box` of it that was cut out."""

    image: str | None = None
    picture: Image | None = None
    region: RegionReferent | None = None
    box: Box = (0.0, 0.0, 1.0, 1.0)
    note: str | None = None
    """Why this and not what was asked about is looked at."""
    otherwise: View | None = None
    """What to look at when nothing can be made out here."""
    usage: Usage = field(default_factory=Usage)
    """Tokens that finding it took."""
    confidence: float | None = None
    """How sure it is that this is what was asked about, where it had to be found."""

    @property
    def key(self) -> str | None:
        """What vision caches are keyed by."""
        if self.image is None or self.region is None:
            return self.image
        return f"{self.image}@{','.join(f'{edge:.5f}' for edge in self.box)}"


def perceive(run: StepRun) -> Outcome:
    """Carry out a task step. Raises BackboneError, UnknownName, StorageError."""
    task = run.context.tasks.get(run.planned.route)
    stack = run.context.models.stack(task)
    view = look(run, task)
    outcome = _generate(run, task, stack, view)
    usage = view.usage + outcome.usage
    if view.otherwise is not None and outcome.step.status == "abstained":
        outcome = _generate(run, task, stack, view.otherwise)
        usage += outcome.usage
    elif view.otherwise is not None:
        run.on_token(outcome.step.text)
    return replace(outcome, usage=usage)


def _generate(run: StepRun, task: Task, stack: str | None, view: View) -> Outcome:
    output = task.manifest.output
    backbone = run.context.models.backbone()
    phrase = referring_phrase(run.planned.request)
    limit = task.manifest.max_new_tokens
    about = about_what(output, run.planned.request)
    generation = backbone.generate(
        GenerateRequest(
            instruction=task.prompt(about, region=view.region is not None),
            locate=about if output == "boxes" else None,
            reads=task.manifest.reads,
            seeks_text=_sought(run) is not None,
            describes=task.manifest.describes,
            history=run.history,
            picture=view.picture,
            picture_key=view.key,
            stack=stack,
            max_new_tokens=run.most_tokens(limit) if output == "text" else limit,
            # Where there is something else to look at, this may not be the answer yet.
            on_token=None if output == "boxes" or view.otherwise is not None else run.on_token,
        )
    )
    step = _read(run, task, generation, view, phrase, backbone.box_range)
    return Outcome(step.model_copy(update={"adapter": stack}), usage=generation.usage, output=output)


def look(run: StepRun, task: Task, *, search: bool = True) -> View:
    """The picture that a step is about, or the region of it, cut from the original pixels with a small margin.

    A region that the user marked is looked at whatever the words are, except by steps that go on from another's result.
    `search`: whether a thing to read from is found first, which takes the model.
    """
    image = run.focus.picture
    if image is None:
        return View()
    picture = run.context.pictures.open(image)
    view = View(image, picture)
    box = run.state["region"]
    if box is not None and not run.used:
        return _within(view, RegionReferent(image=image, box=box, label=MARKED))
    if task.manifest.output == "boxes" and not run.used:
        return view
    region = resolve_region(_said(run), run.focus, run.used)
    if region is None and task.manifest.reads and search:
        return _on_thing(view, run)
    return view if region is None else _within(view, region)


def _within(view: View, region: RegionReferent) -> View:
    """The part `region` of what is looked at."""
    assert view.picture is not None
    seen, pixels = cut(region.box, view.picture.size)
    return replace(view, picture=view.picture.crop(pixels), region=region, box=seen)


def _on_thing(view: View, run: StepRun) -> View:
    """The thing that a request to read names, once it is found; the whole picture where none is named or found."""
    thing = bearer(run.planned.request)
    if thing is None or FINDS not in run.context.routes:
        return view
    planned = PlannedStep(route=FINDS, kind="task", confidence=run.planned.confidence, request=thing)
    found = perceive(replace(run, planned=planned))
    instead = "so I read the whole picture."
    if not found.step.places:
        why = "Looking for {} failed" if found.step.status == "failed" else "I did not find {}"
        return replace(view, note=f"{why.format(thing)}, {instead}", usage=found.usage)
    region = resolve_region(thing, run.focus, (found.step,))
    assert region is not None
    otherwise = replace(view, note=f"I can't make out anything on {thing}, {instead}")
    sure = found.step.answer_confidence
    return replace(_within(view, region), otherwise=otherwise, usage=found.usage, confidence=sure)


def cut(box: Box, size: tuple[int, int]) -> tuple[Box, tuple[int, int, int, int]]:
    """`box` with its margin on a picture of `size` (width, height): as a box 0..1 and in whole pixels, at least one."""
    width, height = size
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left, top = min(int(max(x0 - dx, 0) * width), width - 1), min(int(max(y0 - dy, 0) * height), height - 1)
    right = max(left + 1, min(-int(-(x1 + dx) * width // 1), width))
    bottom = max(top + 1, min(-int(-(y1 + dy) * height // 1), height))
    return (left / width, top / height, right / width, bottom / height), (left, top, right, bottom)


def on_whole(region: Region, view: Box) -> Region:
    """A region found inside the part `view` of a picture, on the whole picture."""
    x0, y0, x1, y1 = view
    width, height = x1 - x0, y1 - y0
    a, b, c, d = region.box
    box = (x0 + a * width, y0 + b * height, min(x0 + c * width, 1.0), min(y0 + d * height, 1.0))
    return region.model_copy(update={"box": box})


def _sought(run: StepRun) -> str | None:
    """The words to find, of a request to find words."""
    return words_sought(run.planned.request) if run.planned.route == FINDS else None


def _said(run: StepRun) -> str:
    """The request as the user said it: completing it may have replaced the word that refers back."""
    return run.plan.steps[run.index].request


def _read(run: StepRun, task: Task, generation: Generation, view: View, phrase: str, box_range: int) -> Step:
    from adapters.parsers import parse_output

    sought = _sought(run)
    if sought is not None and generation.lines is not None:
        named = f"“{sought}”" if sought else "the text"
        return _located(run, places_of(sought, generation.lines), view, named)
    parsed = parse_output(task.manifest.output, generation.text, generation.pieces, label=phrase, box_range=box_range)
    if parsed.status == "failed":
        error = f"the model's answer is not of the kind {task.manifest.output!r}; ask in other words or try again"
        return run.step(status="failed", image=view.image, error=error)
    if task.manifest.output == "boxes":
        return _boxes(run, parsed, generation, view, phrase)
    lines = tuple(generation.lines or ()) if task.manifest.reads else ()
    return run.step(
        status=parsed.status,
        text=parsed.text or "I can't make out anything there.",
        boxes=(Region(label=view.region.label, box=view.region.box),) if view.region else lines,
        image=view.image,
        note=view.note,
        answer_confidence=_least(generation.confidence, view.confidence),
    )


def _least(*confidences: float | None) -> float | None:
    return min((one for one in confidences if one is not None), default=None)


def _honest(region: Region, chances: Scores | None) -> Region:
    """The region with the chance that it is right as its score, where the stack says how to tell."""
    if chances is None or region.score is None:
        return region
    return region.model_copy(update={"score": chances.of(region.score)})


def _boxes(run: StepRun, parsed: Parsed, generation: Generation, view: View, phrase: str) -> Step:
    chances = run.context.models.scores(run.planned.route)
    places = [_honest(region, chances) for region in parsed.boxes]
    return _located(run, places, view, phrase, generation.confidence)


def _located(run: StepRun, places: Sequence[Region], view: View, phrase: str, sure: float | None = None) -> Step:
    """The step of places found, none if it is absent; `sure` of that, or of places that have no score."""
    regions = tuple(on_whole(region, view.box) for region in places)
    scores = [region.score for region in regions if region.score is not None]
    return run.step(
        status="ok" if regions else "abstained",
        text=found(phrase, regions) if regions else not_found(phrase),
        boxes=regions,
        image=view.image,
        answer_confidence=min(scores) if scores else sure,
    )
