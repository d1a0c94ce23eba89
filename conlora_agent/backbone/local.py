"""Drives a model in this process: resident stacks, one prompt layout, cached pictures and prefixes, shared batches.

A request's prompt is read on its own: the conversation with adapters off (keyvalues.Prefixes), the picture as far as it
is not known yet (vision.Sight), the instruction with the stack on. Its answer is then decoded together with those of
other requests, each row with its own stack (batching.Batcher). What is particular to a family of models is in its
profile. Not covered here: finding and loading models (load.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conlora_agent.backbone.batching import Batcher, Job
from conlora_agent.backbone.boxes import Size, finished, worded
from conlora_agent.backbone.grammar import Grammars, SchemaProcessor
from conlora_agent.backbone.keyvalues import PREFIXES_MIB, KeyValues, Prefixes, Rows
from conlora_agent.backbone.profile import Pixels, Profile
from conlora_agent.backbone.stacks import STACKS_MIB, Stack, Stacks, per_row
from conlora_agent.backbone.vision import PICTURES_MIB, Sight
from conlora_agent.core.errors import BackboneError, TextError
from conlora_agent.core.protocols import GenerateRequest, Generation, Piece
from conlora_agent.core.types import Usage

MOST_WORKING = 48
"""So many tokens of working are made beyond those that a request allows."""
CONDENSES = 1_000_000_000
"""Parameters that a language model must have to be asked for summaries: SmolLM2-135M invents what was never said."""


class LocalBackbone:
    """A model in this process, implementing core.protocols.Backbone. Safe to call from several threads."""

    ignore_ends = False
    """Every answer gets its full length; benchmarks compare equal work with it."""

    def __init__(
        self,
        name: str,
        revision: str,
        profile: Profile,
        *,
        stacks_mib: int = STACKS_MIB,
        pictures_mib: int = PICTURES_MIB,
        prefixes_mib: int = PREFIXES_MIB,
    ) -> None:
        """Memory for stacks, for what was seen of pictures, and for conversations read; the last used stays in each.

        Stacks beyond it are read from disk when they are next used, pictures and conversations anew.
        """
        self.name, self.revision, self.profile = name, revision, profile
        self.box_range, self.opening = profile.box_range, profile.opening
        language = profile.model.get_submodule(profile.language_module)
        self.condenses = sum(weights.numel() for weights in language.parameters()) >= CONDENSES
        profile.model.eval().requires_grad_(False)
        self.loras = Stacks(profile.model, stacks_mib, profile.idle)
        self.sight = Sight(profile, self.loras, pictures_mib)
        self.prefixes = Prefixes(profile.read, prefixes_mib)
        self._grammars = Grammars(profile.tokenizer, profile.stops)
        self._rows = Rows()
        self._answers: list[Answer] = []
        self._deltas: Any = {}
        self._lock = threading.RLock()
        self._batcher = Batcher(self)

    def problems(self) -> list[str]:
        """What is wrong with the model itself, see core.protocols.SelfTest."""
        with self._lock, torch.inference_mode():
            return list(self.profile.problems())

    # -- stacks -------------------------------------------------------------------------------------------------------

    def attach(self, stack: str, folder: Path) -> None:
        """Load the PEFT weights in `folder` under the name `stack`, in place of what had that name."""
        with self._lock, torch.inference_mode():
            self.loras.add(stack, folder)

    def detach(self, stack: str) -> None:
        """Forget a stack; unknown names are ignored."""
        with self._lock:
            self.loras.remove(stack)

    def stacks(self) -> tuple[str, ...]:
        """Names of the attached stacks, in memory or not."""
        return self.loras.names()

    # -- generation ---------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> Generation:
        """Answer greedily; see core.protocols.Backbone."""
        return self.generate_many([request])[0]

    def generate_many(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Answers to requests that arrive together; they share a batch, whatever their stacks."""
        jobs = self._batcher.submit(requests)
        return [job.result() for job in jobs]

    # -- what the batcher drives --------------------------------------------------------------------------------------

    def admit(self, job: Job) -> Answer:
        """Read a request's prompt and make the first token of its answer."""
        with self._lock, torch.inference_mode():
            function = job.request.function
            grammar = None if function is None else self._grammars.of(function.said)
            try:
                stack = self.loras.get(job.request.stack)
                instruction = worded(job.request, self.profile.notation)
                pixels, seen = self._look(job.request, stack, instruction)
                answer = Answer(job, stack, self.profile, pixels, seen)
                if answer.ended:
                    return answer
                logits, answer.position, cache = self._read(job.request, stack, instruction, pixels, seen)
            except torch.OutOfMemoryError as error:
                raise _no_memory() from error
            answer.prompt, answer.grammar = cache.length, grammar
            if self.ignore_ends:
                answer.stops = frozenset()
            answer.take(logits)
            if not answer.done:
                self._rows.join(cache)
                self._answers.append(answer)
                self._deltas = None
            self.prefixes.settle()
            return answer

    def step(self) -> None:
        """Make the next token of every answer."""
        with self._lock, torch.inference_mode():
            if self._deltas is None:
                self._deltas = per_row([answer.stack for answer in self._answers])
            device = self.profile.model.device
            tokens = torch.tensor([answer.made[-1] for answer in self._answers], device=device)
            positions = torch.tensor([answer.position for answer in self._answers], device=device)
            try:
                with self.loras.active(self._deltas):
                    logits = self.profile.step(tokens, positions, self._rows.step(device), self._rows)
            except torch.OutOfMemoryError as error:
                raise _no_memory() from error
            for answer, row in zip(self._answers, logits, strict=True):
                answer.position += 1
                answer.take(row)

    def retire(self, row: Answer) -> None:
        """Take an answer out of the batch."""
        with self._lock, torch.inference_mode():
            if row in self._answers:
                at = self._answers.index(row)
                self._rows.leave(at)
                self._answers[at] = self._answers[-1]
                self._answers.pop()
                self._deltas = None
            if not self._answers:
                self._rows = Rows()  # a page, or many rows at once, may have made its buffers large

    def clear(self) -> None:
        """Take all answers out of the batch."""
        with self._lock:
            self._rows, self._answers, self._deltas = Rows(), [], None

    def _look(self, request: GenerateRequest, stack: Stack | None, instruction: str) -> tuple[Pixels | None, Any]:
        """The request's picture, prepared, and what is seen of it; nothing without a picture."""
        if request.picture is None:
            return None, None
        return self.sight.look(request.picture, request.picture_key, stack, instruction)

    def _read(
        self, request: GenerateRequest, stack: Stack | None, instruction: str, pixels: Pixels | None, seen: Any
    ) -> tuple[Tensor, int, KeyValues]:
        """Logits of the answer's first token, its position, and the keys and values of the whole prompt."""
        profile = self.profile
        prefix = profile.prefix(request.history)
        ids = profile.invocation(instruction, pixels, seen)
        before, asked = len(prefix), profile.length(ids, seen)
        working = MOST_WORKING if profile.working is not None else 0
        if before + asked + working + request.max_new_tokens > profile.limit:
            raise _too_long(self.name, profile.limit, picture=pixels is not None)
        cache = self.prefixes.get(tuple(prefix))
        with self.loras.on(stack):
            logits, position = profile.begin(ids, pixels, seen, cache)
        return logits, position, cache


class Answer:
    """One row: the text made so far. Greedy; a half-finished character is held back until its last byte is there."""

    def __init__(self, job: Job, stack: Stack | None, profile: Profile, pixels: Pixels | None, seen: Any) -> None:
        """`pixels`: the request's picture, prepared; `seen`: what is seen of it; both None without a picture."""
        self.job, self.stack, self.profile = job, stack, profile
        self.size: Size = pixels.size if pixels is not None else (0, 0)
        self.lines = profile.lines(seen) if pixels is not None else None
        self.prompt = 0
        """Tokens of the prompt."""
        self.position = 0
        """Where the next token will stand."""
        self.stops = profile.stops
        self.grammar: SchemaProcessor | None = None
        self.made: list[int] = []
        self.pieces: list[Piece] = []
        self.shown = ""
        self.hidden = 0
        """So many of the tokens made are working, which is not shown and not counted."""
        self.works = False
        # Asked to read where no line of text is seen, or to describe what shows nothing, a language model would make
        # something up.
        blank = pixels is not None and profile.blank(seen)
        self.ended = (
            (job.request.reads and self.lines == ())
            or (job.request.describes and blank)
            or (job.request.seeks_text and self.lines is not None)
        )

    @property
    def done(self) -> bool:
        """Whether the answer is complete."""
        return self.ended or len(self.made) >= self.job.request.max_new_tokens + min(self.hidden, MOST_WORKING)

    def take(self, logits: Tensor) -> None:
        """Choose the next token from its logits (vocabulary,)."""
        logits = logits.float()
        if self.grammar is not None:
            logits = self.grammar(torch.tensor([self.made], dtype=torch.long), logits[None])[0]
        chance = logits.softmax(-1)
        if self.stack is None and self.grammar is None and self.made and self.profile.chat_penalty > 1:
            seen = torch.tensor(sorted(set(self.made)), device=logits.device)
            logits[seen] -= logits[seen].abs() * (self.profile.chat_penalty - 1)
        token = int(logits.argmax())
        if token in self.stops:
            self.ended = True
            return
        self.made.append(token)
        if self._working(token):
            # It counts as one token, as sure as all of it: most is copied, and what decides must weigh.
            before = self.pieces[0].probability if self.pieces else 1.0
            self.pieces = [Piece("", before * float(chance[token]))]
            return
        text = self.profile.tokenizer.decode(self.made[self.hidden :], skip_special_tokens=True)
        new = "" if text.endswith("\ufffd") else text[len(self.shown) :]
        self.shown += new
        self.pieces.append(Piece(new, float(chance[token])))
        if new:
            self.job.news.put(new)

    def _working(self, token: int) -> bool:
        """Whether the token made last belongs to the working, which ends with its line."""
        first = len(self.made) == 1 and token == self.profile.working
        if not first and not self.works:
            return False
        self.hidden = len(self.made)
        self.works = first or "\n" not in self.profile.tokenizer.decode([token])
        return True

    def generation(self) -> Generation:
        """What came out so far."""
        usage = Usage(prompt_tokens=self.prompt, completion_tokens=len(self.made) - self.hidden)
        said = Generation("".join(piece.text for piece in self.pieces).strip(), self.pieces, usage, self.lines)
        return finished(said, self.job.request, self.profile.notation, self.size, self.profile.box_range)


def _too_long(name: str, limit: int, *, picture: bool) -> TextError:
    if picture:
        problem, remedy = "the message and what the picture holds are", "shorten the one, or mark a part of the other"
    else:
        problem, remedy = "the message is", "shorten it"
    return TextError(f"{problem} too long for {name} ({limit} tokens)", remedy)


def _no_memory() -> BackboneError:
    return BackboneError("the picture and conversation do not fit in memory", "start a new thread")
