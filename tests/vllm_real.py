"""The remote backbone against a real vLLM on the CPU, with a tiny LLaVA and a tiny Idefics3: `make test-vllm`, not part
of `make test`.

`CONLORA_TEST_VLLM` names vLLM's virtual environment. Greedy answers must be those of transformers and PEFT, text and
pictures; stacks are loaded at run time, asked for in turns, and taken away; those of Idefics3 adapt its vision encoder
and its connector, too. Two things fail in vLLM 0.32 itself and are left out: with `--enable-tower-connector-lora` it
dies of a picture in LLaVA (its CLIP has one token more than are counted), and on the CPU a row without a stack answers
otherwise beside rows that have one than it does alone.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
import transformers as T
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file

from conlora_agent.backbone.load import load_hub
from conlora_agent.backbone.remote import RemoteBackbone
from conlora_agent.core.errors import WeightsError
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Message
from conlora_agent.settings import Settings
from tests.tiny_families import TEMPLATE, tokenizer

VLLM = os.environ.get("CONLORA_TEST_VLLM", "")
READY_S = 900
VISION = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
WORDS = r"model\.language_model\.layers\.\d+\.self_attn\.[qv]_proj"
pytestmark = pytest.mark.skipif(not VLLM, reason="run: make test-vllm")


def text_of(tok: Any) -> dict[str, Any]:
    """A language model with heads of 64, as vLLM wants them."""
    return T.LlamaConfig(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=512, bos_token_id=None, vocab_size=len(tok), eos_token_id=tok.eos_token_id,
        pad_token_id=tok.pad_token_id,
    ).to_dict()  # fmt: skip


def save_whole(made: Any, processor: Any, folder: Path) -> None:
    """A model with its whole processor, as vLLM takes them."""
    # Nothing but printable words: half a character has no text to compare.
    words = [processor.tokenizer.decode([i]) for i in range(len(processor.tokenizer))]
    silent = [i for i, word in enumerate(words) if not word.isprintable() or "\ufffd" in word]
    made.lm_head.weight.data[silent] = 0
    made.save_pretrained(folder)
    processor.save_pretrained(folder)


def save_llava(folder: Path) -> Path:
    torch.manual_seed(0)
    tok = tokenizer(image="<image>")
    config = T.LlavaConfig(
        text_config=text_of(tok), vision_config=T.CLIPVisionConfig(**VISION).to_dict(), vision_feature_layer=-2,
        image_token_id=tok.convert_tokens_to_ids("<image>"), vision_feature_select_strategy="default",
    )  # fmt: skip
    images = T.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = T.LlavaProcessor(
        image_processor=images, tokenizer=tok, patch_size=14, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    )  # fmt: skip
    save_whole(T.LlavaForConditionalGeneration(config), processor, folder)
    # The names of released checkpoints, which vLLM knows and transformers loads, too.
    weights = load_file(folder / "model.safetensors")
    renamed = {
        re.sub(r"vision_tower\.(?!vision_model)", "vision_tower.vision_model.", key): weights[key] for key in weights
    }
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    return folder


def save_idefics(folder: Path) -> Path:
    torch.manual_seed(0)
    tok = tokenizer("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", image="<image>")
    config = T.Idefics3Config(
        text_config=text_of(tok), vision_config=VISION, scale_factor=2,
        image_token_id=tok.convert_tokens_to_ids("<image>"), pad_token_id=tok.pad_token_id,
    )  # fmt: skip
    edge = {"longest_edge": 28}
    images = T.Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    template = TEMPLATE.replace("IMAGE", "<image>")
    made = T.Idefics3ForConditionalGeneration(config)
    for name, weight in made.named_parameters():  # what is seen shall matter to the answer
        if ("vision_model" in name or "connector" in name) and weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.1)
    save_whole(made, T.Idefics3Processor(images, tok, image_seq_len=1, chat_template=template), folder)
    return folder


def save_stack(model: Path, folder: Path, seed: int, modules: str = WORDS) -> Path:
    base: Any = T.AutoModelForImageTextToText.from_pretrained(model)
    torch.manual_seed(seed)
    config = LoraConfig(r=8, lora_alpha=64, target_modules=modules, init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(folder)
    return folder


@contextmanager
def vllm(model: Path, log: Path, *more: str, **environ: str) -> Iterator[str]:
    """A running vLLM; the address up to /v1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = "--enable-lora --max-loras 2 --max-lora-rank 8 --max-model-len 256 --dtype float32 --enforce-eager"
    command = [
        f"{VLLM}/bin/vllm",
        "serve",
        str(model),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *words.split(),
        *more,
    ]
    told = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "PYTHONPATH": ""}
    with log.open("w") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **told, **environ})
    try:
        for _ in range(READY_S):
            assert child.poll() is None, log.read_text()[-3000:]
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.terminate()
        child.wait()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llava(tmp_path_factory.mktemp("model") / "tiny-llava")


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    with vllm(model, log, VLLM_ALLOW_RUNTIME_LORA_UPDATING="1") as address:
        yield address


def asks(stack: str | None) -> list[GenerateRequest]:
    history = (Message(role="user", content="hello"), Message(role="assistant", content="good day"))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (28, 28, 3), dtype=np.uint8))
    return [
        GenerateRequest("Is the door damaged?", history, stack=stack, max_new_tokens=8),
        GenerateRequest("Is the door damaged?", picture=picture, stack=stack, max_new_tokens=8),
    ]


def expected(model: Path, stack: Path | None, request: GenerateRequest) -> str:
    """What transformers and PEFT answer, the stack on from the first token: servers know no other way."""
    backbone: Any = load_hub(str(model), Settings.load(precision="fp32"))
    profile, extra = backbone.profile, {}
    pixels = seen = None
    if request.picture is not None:
        pixels = profile.pixels(request.picture)
        seen, extra = profile.see(pixels), pixels.inputs
    ids = torch.tensor([profile.prefix(request.history) + profile.invocation(request.instruction, pixels, seen)])
    adapted: Any = profile.model if stack is None else PeftModel.from_pretrained(profile.model, stack)
    made = adapted.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, **extra
    )
    text: str = profile.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    return text.strip()


def test_text_pictures_and_stacks_answer_as_transformers_and_peft_do(served: str, model: Path, tmp_path: Path) -> None:
    with closing(RemoteBackbone(served)) as remote:
        assert (remote.name, remote.stacks()) == ("tiny_llava", ())
        folders: dict[str | None, Path | None] = {None: None}
        for seed, name in enumerate("ab"):
            folders[name] = save_stack(model, tmp_path / name, seed)
            remote.attach(name, tmp_path / name)
        assert remote.stacks() == ("a", "b")
        order = ("a", None, "b", "a")
        meant = {name: [expected(model, folder, request) for request in asks(name)] for name, folder in folders.items()}
        got = [(name, [remote.generate(request).text for request in asks(name)]) for name in order]
        assert got == [(name, meant[name]) for name in order]
        assert len({tuple(answers) for answers in meant.values()}) == 3
        remote.detach("a")
    with closing(RemoteBackbone(served)) as again:
        assert again.stacks() == ("b",)
        again.detach("b")


def test_a_stack_that_does_not_fit_is_refused(served: str, tmp_path: Path) -> None:
    with (
        closing(RemoteBackbone(served)) as remote,
        pytest.raises(WeightsError, match="refused the stack 'nothing'"),
    ):
        remote.attach("nothing", tmp_path / "nothing")


def test_without_the_endpoint_the_task_runs_on_its_prompt_alone(model: Path, tmp_path: Path) -> None:
    with (
        vllm(model, tmp_path / "log", VLLM_ALLOW_RUNTIME_LORA_UPDATING="") as address,
        closing(RemoteBackbone(address)) as remote,
    ):
        remote.attach("a", save_stack(model, tmp_path / "a", 1))
        assert remote.stacks() == ()
        assert remote.generate(asks(None)[0]).usage.completion_tokens > 0


def test_a_stack_of_all_three_parts_is_applied_by_a_server_with_tower_loras(tmp_path: Path) -> None:
    model = save_idefics(tmp_path / "tiny-idefics3")
    places = load_hub(str(model), Settings.load(precision="fp32")).profile.places  # type: ignore[attr-defined]
    seen = asks(None)[1]
    meant = {"": expected(model, None, seen)}
    for name, modules in (("all", places.pattern), ("vision", places.vision_of(places.upper)), ("mid", places.mid)):
        meant[name] = expected(model, save_stack(model, tmp_path / name, 1, modules), seen)
    assert len(set(meant.values())) == 4, "a part that does nothing would not be missed"
    more = ("--enable-tower-connector-lora", "--max-cpu-loras", "4")
    with (
        vllm(model, tmp_path / "log", *more, VLLM_ALLOW_RUNTIME_LORA_UPDATING="1") as address,
        closing(RemoteBackbone(address)) as remote,
    ):
        for name in ("all", "vision", "mid"):
            remote.attach(name, tmp_path / name)
        for name in ("all", "", "vision", "mid", "all", ""):
            assert remote.generate(replace(seen, stack=name or None)).text == meant[name], name
