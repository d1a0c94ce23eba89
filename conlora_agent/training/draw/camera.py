"""What a camera does to a picture without moving anything: blur, lost resolution, light, noise, JPEG."""

from __future__ import annotations

import io
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from conlora_agent.training.draw.text import degrade


def camera(rng: random.Random, picture: Image.Image, strength: float = 0.8) -> NDArray[np.uint8]:
    """The picture as an array (height, width, 3), degraded as photographs and saved files are."""
    array = degrade(rng, picture, strength)
    if rng.random() < 0.2 * strength:
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "JPEG", quality=rng.randint(30, 85))
        array = np.asarray(Image.open(buffer))
    return array
