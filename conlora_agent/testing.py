"""FakeBackbone: a backbone that behaves, for tests of everything above it.

It keeps the protocol's promises (stacks must be attached, tokens are streamed and add up to the text, requests are
recorded) and answers from a script instead of a model. Not covered here: whether an answer is any good.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from conlora_agent.core.errors import UnknownName
from conlora_agent.core.protocols import GenerateRequest, Generation, Piece
from conlora_agent.core.types import Region, Usage

Answer = str | Callable[[GenerateRequest], str]
Script = Mapping[tuple[str | None, str], Answer] | Callable[[GenerateRequest], str]

_TOKEN = re.compile(r"\s*\S+|\s+$")


class FakeBackbone:
    """Answers from `script`: a function of the request, or answers by (stack, words inside the instruction).

    The stack of a key is the active one, None for adapters off; "*" stands for any. The first key that fits wins;
    where none fits, `default` is the answer. `probability` is that of every token. `lines`: lines of text that every
    picture is seen to hold; with None, it does not tell.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        default: Answer = "All right.",
        probability: float = 0.9,
        name: str = "fake",
        revision: str = "1",
        box_range: int = 100,
        condenses: bool = False,
        lines: Sequence[Region] | None = None,
    ) -> None:
        self.name = name
        self.revision = revision
        self.box_range = box_range
        self.condenses = condenses
        self.lines = lines
        self.requests: list[GenerateRequest] = []
        self.probability = probability
        self._script = script or {}
        self._default = default
        self._stacks: dict[str, Path] = {}
        self._lock = threading.Lock()

    def attach(self, stack: str, folder: Path) -> None:
        """Remember the stack; its weights are not read."""
        with self._lock:
            self._stacks[stack] = folder

    def detach(self, stack: str) -> None:
        """Forget the stack."""
        with self._lock:
            self._stacks.pop(stack, None)

    def stacks(self) -> tuple[str, ...]:
        """Names of the attached stacks."""
        with self._lock:
            return tuple(self._stacks)

    def generate(self, request: GenerateRequest) -> Generation:
        """The scripted answer, streamed word by word. Raises UnknownName for a stack that is not attached."""
        if request.stack is not None and request.stack not in self.stacks():
            raise UnknownName.among("stack", request.stack, self.stacks())
        with self._lock:
            self.requests.append(request)
        pieces = [Piece(text, self.probability) for text in _TOKEN.findall(self._answer(request))]
        pieces = pieces[: request.max_new_tokens]
        for piece in pieces:
            if request.on_token is not None:
                request.on_token(piece.text)
        prompt = sum(len(message.content.split()) for message in request.history) + len(request.instruction.split())
        usage = Usage(prompt_tokens=prompt, completion_tokens=len(pieces))
        return Generation(
            "".join(piece.text for piece in pieces), tuple(pieces), usage, self.lines if request.picture else None
        )

    def _answer(self, request: GenerateRequest) -> str:
        if callable(self._script):
            return self._script(request)
        for (stack, words), answer in self._script.items():
            if stack in ("*", request.stack) and words.lower() in request.instruction.lower():
                return answer(request) if callable(answer) else answer
        return self._default(request) if callable(self._default) else self._default
