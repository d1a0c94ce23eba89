"""Prefixes that serve every stack, and batches that rows join and leave."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from conlora_agent.backbone.keyvalues import SCRATCH, KeyValues, Prefixes
from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.core.errors import UnknownName
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Message
from tests.tiny_nano import tiny_backbone, tiny_stack

STACKS = ("a", "b", "c", None)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> LocalBackbone:
    made = tiny_backbone()
    for seed, name in enumerate(("a", "b", "c")):
        made.attach(name, tiny_stack(tmp_path_factory.mktemp(name), seed))
    return made


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8))


def requests() -> list[GenerateRequest]:
    """Of every stack and none, with and without picture, with histories and answers of different lengths."""
    said = [Message(role="user", content="hello there " * n) for n in range(6)]
    return [
        GenerateRequest(
            f"read {n}", tuple(said[:n]), picture(n) if n % 3 else None, str(n), STACKS[n % 4], max_new_tokens=3 + 4 * n
        )
        for n in range(6)
    ]


def test_every_row_of_a_mixed_batch_gets_the_answer_it_gets_alone(backbone: LocalBackbone) -> None:
    alone = [backbone.generate(request) for request in requests()]
    steps: list[int] = []
    hook = backbone.profile.model.language_model.register_forward_hook(
        lambda module, args, output: steps.append(len(output.logits))
    )
    together = backbone.generate_many(requests())
    hook.remove()
    assert max(steps) == len(alone)
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.usage == other.usage
        np.testing.assert_allclose(
            [piece.probability for piece in one.pieces], [piece.probability for piece in other.pieces], rtol=1e-4
        )


def test_more_requests_than_places_from_many_threads(backbone: LocalBackbone) -> None:
    wanted = [backbone.generate(request).text for request in requests()]
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda request: backbone.generate(request).text, requests() * 4))
    assert got == wanted * 4


def test_a_listener_that_stops_ends_its_own_row_only(backbone: LocalBackbone) -> None:
    class Stopped(Exception):
        pass

    def stop(text: str) -> None:
        raise Stopped

    ask = GenerateRequest("read", stack="a", max_new_tokens=40)
    wanted = backbone.generate(ask)
    with ThreadPoolExecutor(2) as pool:
        stopped = pool.submit(backbone.generate, GenerateRequest("tell", stack="b", max_new_tokens=400, on_token=stop))
        other = pool.submit(backbone.generate, ask)
        assert isinstance(stopped.exception(), Stopped)
        assert other.result().text == wanted.text


def test_a_bad_request_fails_alone(backbone: LocalBackbone) -> None:
    good = GenerateRequest("read", stack="a", max_new_tokens=5)
    jobs = [good, GenerateRequest("read", stack="nobody"), good]
    with ThreadPoolExecutor(3) as pool:
        first, bad, last = [pool.submit(backbone.generate, job) for job in jobs]
        assert first.result().text == last.result().text
        with pytest.raises(UnknownName, match="nobody"):
            bad.result()


def test_an_engine_that_breaks_fails_its_requests_and_serves_the_next(backbone: LocalBackbone) -> None:
    ask = GenerateRequest("read", stack="a", max_new_tokens=5)
    wanted = backbone.generate(ask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(backbone.profile), "step", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backbone.generate(ask)
    assert backbone.generate(ask) == wanted


def test_listeners_are_called_on_the_thread_that_asks(backbone: LocalBackbone) -> None:
    threads = set()
    backbone.generate(
        GenerateRequest("read", max_new_tokens=5, on_token=lambda text: threads.add(threading.current_thread()))
    )
    assert threads == {threading.current_thread()}


# -- prefixes ---------------------------------------------------------------------------------------------------------


def stored(cache: KeyValues) -> list[int]:
    return [int(value) for value in cache.layers[0].keys[0, 0, : cache.length, 0]]


def test_a_prefix_is_read_once_and_extended_in_place() -> None:
    read: list[list[int]] = []

    def reader(ids: list[int], cache: KeyValues) -> None:
        read.append(list(ids))
        values = torch.tensor(ids, dtype=torch.float32).view(1, 1, -1, 1)
        cache.update(values, values, 0)

    prefixes = Prefixes(reader)  # type: ignore[arg-type]
    first = prefixes.get((1, 2, 3))
    scratch = torch.tensor([[[[9.0]]]])
    first.update(scratch, scratch, 0)  # what a stack reads behind it
    again = prefixes.get((1, 2, 3))
    assert again is first
    assert stored(again) == [1, 2, 3]
    longer = prefixes.get((1, 2, 3, 4, 5))
    assert longer is first
    assert stored(longer) == [1, 2, 3, 4, 5]
    branch = prefixes.get((1, 2, 7))
    assert stored(branch) == [1, 2, 7]
    assert stored(prefixes.get((1, 2, 3, 4, 5))) == [1, 2, 3, 4, 5]
    assert read == [[1, 2, 3], [4, 5], [7]]


def test_what_a_page_took_behind_a_prefix_is_given_back() -> None:
    def reader(ids: list[int], cache: KeyValues) -> None:
        values = torch.tensor(ids, dtype=torch.float32).view(1, 1, -1, 1)
        cache.update(values, values, 0)

    prefixes = Prefixes(reader)  # type: ignore[arg-type]
    for scratch, kept in ((SCRATCH // 2, True), (3 * SCRATCH, False)):
        cache = prefixes.get((1, 2, 3))
        page = torch.zeros(1, 1, scratch, 1)
        cache.update(page, page, 0)
        prefixes.settle()
        again = prefixes.get((1, 2, 3))
        assert (again is cache) == kept
        assert stored(again) == [1, 2, 3]
        assert again.room < 2 * SCRATCH


def test_prefixes_beyond_the_budget_are_forgotten() -> None:
    def reader(ids: list[int], cache: KeyValues) -> None:
        values = torch.zeros(1, 1, len(ids), 1)
        cache.update(values, values, 0)

    prefixes = Prefixes(reader, budget_mib=0)  # type: ignore[arg-type]
    for start in range(5):
        prefixes.get((start, 1))
    assert len(prefixes) == 1
