"""A model behind an OpenAI-compatible server: vLLM, our own `conlora serve`, or any other.

`http://HOST:PORT/v1#MODEL` names it; without `#MODEL` it is the first that the server lists. A stack's name goes into
`model`, which is how vLLM chooses a LoRA per request; a stack that the server lacks is loaded through its run-time
endpoint. Where a server cannot load any, the task runs on its prompt alone: that is logged, and its steps name no
adapter. Not covered here: starting servers.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from conlora_agent.backbone import backbone_name
from conlora_agent.backbone.boxes import finished, notation_named, told_beside, worded
from conlora_agent.core.errors import BackboneError, TextError, UnknownName, WeightsError
from conlora_agent.core.protocols import Function, GenerateRequest, Generation, Piece
from conlora_agent.core.types import Usage

log = logging.getLogger(__name__)


LANGUAGE = re.compile(r"(language_model|text_model)\.")
"""What stands in the names of a language model's modules, in every family."""
MAX_NAME = 64
"""Characters of a function's name that servers take."""
NO_TOOLS = frozenset({400, 404, 422, 501})
"""What servers answer that cannot be asked for a call of a tool."""


class _Refused(BackboneError):
    """The server answered with an error `status`."""

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.status = status


class RemoteBackbone:
    """Implements core.protocols.Backbone over HTTP. Safe to call from several threads."""

    revision = ""
    """Unknown: the server does not say which weights it runs."""
    condenses = True
    """Who runs a server for it has a model of some size."""

    def __init__(self, address: str, *, key: str | None = None, timeout_s: float = 120.0) -> None:
        """`key` is sent as a bearer token. Raises BackboneError when the server does not answer or lacks the model."""
        url, _, model = address.partition("#")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url.rstrip("/")
        self._http = httpx.Client(headers=headers, timeout=httpx.Timeout(timeout_s, connect=10.0))
        self._lock = threading.Lock()
        self._attached: dict[str, Path] = {}
        self._told: set[str] = set()
        self._calls = self._scores = True
        listed = self._models()
        if not listed or (model and model not in listed):
            raise BackboneError(f"{self._url} does not serve {model or 'any model'}", f"it lists: {', '.join(listed)}")
        self._model = model or next(iter(listed))
        self._listed = frozenset(listed) - {self._model}
        self._ours = all(entry.get("owned_by") == "conlora" for entry in listed.values())
        self.name = backbone_name(f"{self._url}#{self._model}") or self._model
        self._notation = notation_named(self._model, str(listed[self._model].get("root") or ""))
        self.box_range = 100 if self._notation is None else 1000

    # -- stacks -------------------------------------------------------------------------------------------------------

    def attach(self, stack: str, folder: Path) -> None:
        """Have the server load the stack, from the same folder; where it cannot load any, the stack stays unattached.

        Raises WeightsError when the server refuses it.
        """
        body = {"lora_name": stack, "lora_path": str(folder.absolute()), "load_inplace": True}
        response = self._send("POST", "/load_lora_adapter", body)
        # vLLM says 404, too, of a folder that it does not find; then its answer names the stack.
        if response.status_code in (405, 501) or (response.status_code == 404 and stack not in _reason(response)):
            if stack not in self._told and stack not in self._listed:
                log.warning("%s loads no stacks: %s runs on its prompt alone", self._url, stack)
                self._told.add(stack)
        elif response.is_error:
            raise WeightsError(f"the server refused the stack {stack!r} ({_reason(response)})", "see the server's log")
        else:
            if _beyond_language(folder):
                log.warning(
                    "%s applies what %s adapts outside the language model only if it can: vLLM where it was started "
                    "with --enable-tower-connector-lora", self._url, stack,
                )  # fmt: skip
            with self._lock:
                self._attached[stack] = folder

    def detach(self, stack: str) -> None:
        """Have the server forget a stack that was loaded here; unknown names are ignored."""
        with self._lock:
            known = self._attached.pop(stack, None)
        if known is not None:
            self._send("POST", "/unload_lora_adapter", {"lora_name": stack})

    def stacks(self) -> tuple[str, ...]:
        """Names of the stacks that the server has: loaded here, or listed at the beginning."""
        with self._lock:
            return (*self._attached, *(name for name in self._listed if name not in self._attached))

    def close(self) -> None:
        """Close the connections to the server."""
        self._http.close()

    # -- generation ---------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> Generation:
        """Answer greedily; see core.protocols.Backbone."""
        if request.stack is not None and request.stack not in self.stacks():
            raise UnknownName.among("attached stack", request.stack, self.stacks())
        body = {
            "model": request.stack or self._model,
            "messages": _messages(request, self._worded(request)),
            "max_tokens": request.max_new_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.function is not None and self._calls:
            try:
                return self._answer(request, {**body, **_tool_call(request.function)})
            except _Refused as error:
                if error.status not in NO_TOOLS:
                    raise
                log.warning("%s calls no tools: arguments are asked for in words", self._url)
                self._calls = False
        return self._answer(request, body)

    def _worded(self, request: GenerateRequest) -> str:
        """The instruction. A server of ours puts what a box is wanted for into the words of its task by itself."""
        if self._ours and request.stack is not None and request.locate is not None:
            return request.locate
        return worded(request, self._notation)

    def _answer(self, request: GenerateRequest, body: dict[str, Any]) -> Generation:
        """With probabilities, where the server gives any."""
        if self._scores:
            try:
                return self._hear(request, {**body, "logprobs": True})
            except _Refused as error:
                if "logprobs" not in error.problem:
                    raise
                log.warning("%s gives no probabilities: its answers have no confidence", self._url)
                self._scores = False
        return self._hear(request, body)

    def _hear(self, request: GenerateRequest, body: dict[str, Any]) -> Generation:
        pieces, usage, step = [], Usage(), None
        for event in self._stream(body):
            step = _last_step(event) or step
            if event.get("usage"):
                counts = event["usage"]
                usage = Usage(
                    prompt_tokens=counts.get("prompt_tokens", 0), completion_tokens=counts.get("completion_tokens", 0)
                )
            for piece in _pieces(event):
                pieces.append(piece)
                if request.on_token is not None and piece.text:
                    request.on_token(piece.text)
        known = all(not math.isnan(piece.probability) for piece in pieces)
        text = "".join(piece.text for piece in pieces).strip()
        said = Generation(text, pieces if known else (), usage)
        if self._ours and step is not None and request.locate is not None:
            return told_beside(said, step, self.box_range)
        # How a server resizes is not known; what it cuts off is less than one patch.
        size = request.picture.size if request.picture is not None else (0, 0)
        return finished(said, request, self._notation, size, self.box_range)

    # -- http ---------------------------------------------------------------------------------------------------------

    def _models(self) -> dict[str, dict[str, Any]]:
        """What the server lists, by name."""
        response = self._send("GET", "/models")
        try:
            response.raise_for_status()
            return {str(entry["id"]): dict(entry) for entry in response.json()["data"]}
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError, AttributeError) as error:
            problem = f"{self._url} is no OpenAI-compatible server ({_reason(response)})"
            raise BackboneError(
                problem, "give the address up to /v1, and CONLORA_BACKBONE_KEY if it wants a key"
            ) from error

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            return self._http.request(method, self._url + path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def _stream(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The server-sent events of one answer."""
        try:
            with self._http.stream("POST", f"{self._url}/chat/completions", json=body) as response:
                if response.is_error:
                    response.read()
                    problem, remedy = f"{self._url} refused the request ({_reason(response)})", "see the server's log"
                    if "context length" in response.text:
                        raise TextError(problem, remedy)
                    raise _Refused(response.status_code, problem, remedy)
                for line in response.iter_lines():
                    if line.startswith("data:") and (data := line[5:].strip()) != "[DONE]":
                        yield _event(data)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> BackboneError:
        return BackboneError(f"{self._url} does not answer ({type(error).__name__})", "start the server and try again")


def _beyond_language(folder: Path) -> bool:
    """Whether the PEFT weights in `folder` adapt vision encoder or mid layer. False for what is not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / "adapter_model.safetensors", framework="np") as tensors:
            return any(not LANGUAGE.search(key) for key in tensors.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return False


def _event(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise BackboneError("the server's answer is not JSON", "see the server's log") from error
    if not isinstance(event, dict) or "error" in event:
        raise BackboneError(f"the server failed on the way ({str(event)[:200]})", "see the server's log")
    return event


def _last_step(event: dict[str, Any]) -> dict[str, Any] | None:
    """The step that an event of `conlora serve` tells last, None in those of other servers."""
    told = event.get("conlora")
    steps = told.get("steps") if isinstance(told, dict) else None
    return steps[-1] if steps else None


def _pieces(event: dict[str, Any]) -> Iterator[Piece]:
    """The text of one event, token by token where the server gives probabilities, else with NaN for them."""
    for choice in event.get("choices") or ():
        tokens = (choice.get("logprobs") or {}).get("content")
        delta = choice.get("delta") or {}
        # The arguments of a tool call come in pieces; there is but one call, and its text is the answer.
        called = [(call.get("function") or {}).get("arguments") or "" for call in delta.get("tool_calls") or ()]
        text = "".join(called) or delta.get("content") or ""
        if tokens and "".join(token["token"] for token in tokens) == text:
            yield from (Piece(token["token"], math.exp(min(0.0, token["logprob"]))) for token in tokens)
        elif text:
            yield Piece(text, math.nan)


def _tool_call(function: Function) -> dict[str, Any]:
    """Asks for a call of the one function there is to call."""
    name = function.name[:MAX_NAME]
    described = {"name": name, "description": function.description, "parameters": dict(function.schema)}
    choice = {"type": "function", "function": {"name": name}}
    return {"tools": [{"type": "function", "function": described}], "tool_choice": choice}


def _messages(request: GenerateRequest, instruction: str) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": m.role, "content": m.content} for m in request.history]
    if request.picture is None:
        return [*said, {"role": "user", "content": instruction}]
    picture = {"type": "image_url", "image_url": {"url": _data_url(request.picture)}}
    return [*said, {"role": "user", "content": [picture, {"type": "text", "text": instruction}]}]


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _reason(response: httpx.Response) -> str:
    try:
        content = response.json()
        error = content.get("error", content)
        said = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        said = ""
    return f"HTTP {response.status_code}" + (f": {' '.join(str(said).split())[:200]}" if said else "")
