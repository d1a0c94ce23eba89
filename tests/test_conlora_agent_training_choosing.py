"""The loss of a choice is how unlikely the answer is when it is served: same prompt, same schema, same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conlora_agent.backbone.grammar import Grammars
from conlora_agent.backbone.nano.processing import END, invocation_ids, prefix_ids
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import RouteQuery
from conlora_agent.training.answers import answer_ids
from conlora_agent.training.choosing import ChoiceBatch, ChoiceLoss
from router.language import request_of
from tests.router_routes import make_route
from tests.tiny_nano import tiny_backbone, tiny_model, tiny_stack, tiny_tokenizer

ROUTES = [make_route(name, "tool", "x") for name in ("ocr", "clock", "web_search", "web_page")]
TEXTS = ("the quick fox", "reads", "a blue book reads the brown fox")


def batch_of(requests: list[GenerateRequest], names: list[str]) -> ChoiceBatch:
    tokenizer = tiny_tokenizer()
    answers = [answer_ids(tokenizer, json.dumps({"route": name})) for name in names]
    allowed = []
    for request, answer in zip(requests, answers, strict=True):
        assert request.function is not None
        grammar, left = Grammars(tokenizer, [tokenizer.convert_tokens_to_ids(END)]).of(request.function.said), []
        for token in answer:
            left.append([token, *(k for k in np.flatnonzero(grammar.allowed()).tolist() if k != token)])
            grammar.take(token)
        allowed.append(left)
    prompts = [invocation_ids(tokenizer, request.instruction, False) for request in requests]
    return ChoiceBatch(prefix_ids(tokenizer, requests[0].history), prompts, answers, allowed)


def test_it_is_the_likelihood_of_what_is_served(tmp_path: Path) -> None:
    from peft import PeftModel

    folder = tiny_stack(tmp_path, seed=5)
    backbone = tiny_backbone()
    backbone.attach("routing", folder)
    requests = [request_of(RouteQuery(text=text), ROUTES) for text in TEXTS]
    served = [
        backbone.generate(GenerateRequest(r.instruction, r.history, stack="routing", function=r.function))
        for r in requests
    ]
    names = [json.loads(generation.text)["route"] for generation in served]
    surprise = [-sum(np.log(piece.probability) for piece in generation.pieces) for generation in served]

    model = PeftModel.from_pretrained(tiny_model(tiny_tokenizer()), folder, is_trainable=True)
    loss = ChoiceLoss()
    for _ in range(2):  # the second time, what was read of the routes is known
        found = loss(model, batch_of(requests, names), "cpu")
        assert float(found.detach()) == pytest.approx(np.mean(surprise), rel=1e-3)
    found.backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if p.requires_grad and "language_model" in n)
