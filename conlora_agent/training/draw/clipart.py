"""Cut-out photographs and clip-art of three Debian packages. Which of their files show what is in clipart.txt.

Licences: tuxpaint-stamps-default (GPL-2), openclipart-png (public domain), the Art4Apps drawings by Smart4Kids in
pysiogame (CC BY-SA). The list was made by matching file names to names.py and then by eye: what the name does not call
to mind was left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from conlora_agent.core.errors import DataError
from conlora_agent.training.draw.names import entries
from conlora_agent.training.fetching import unpacked

PACKAGES = {
    "stamps": ("tuxpaint-stamps-default", "2022.06.04-1", "usr/share/tuxpaint/stamps"),
    "clipart": ("openclipart-png", "1:0.18+dfsg-19", "usr/share/openclipart/png"),
    "art4apps": ("pysiogame", "4.20.01-1", "usr/share/games/pysiogame/res/images/art4apps"),
}
"""Style to package, version and the folder in it that its files are named from."""
LIST = Path(__file__).with_name("clipart.txt")
"""After a style's folder, the files' ending and a colon what is in it: `name=file`, or the name alone where the file is
called so."""
WHITE = 235
"""A pixel of a JPEG is white from this value on in all channels."""
SPECK = 0.05
"""What covers less than this share of the largest part of a drawing is no part of the thing."""


def listed(style: str) -> Iterator[tuple[str, str]]:
    """What each file of a style shows, and the file: ("frog", "animals/frog.png")."""
    for heading, name, stem in entries(LIST):
        of, _, pattern = heading.partition("/")
        if of == style:
            yield name.replace("-", " "), pattern.replace("*", stem or name)


def cutouts(style: str, cache: Path, side: int) -> Iterator[tuple[str, Image.Image]]:
    """Name and RGBA picture, at most `side` pixels on the longer side, of each file of a style.

    The package is fetched with apt and unpacked in `cache`, and gone afterwards. Raises Failure where that fails,
    DataError for a file that is not in it.
    """
    package, version, root = PACKAGES[style]
    with unpacked(package, version, cache) as folder:
        for name, file in listed(style):
            yield name, _opened(folder / root / file, side)


def _opened(path: Path, side: int) -> Image.Image:
    import cairosvg

    try:
        data = path.read_bytes()
        if path.suffix == ".svg":
            data = cairosvg.svg2png(bytestring=data, output_width=2 * side, output_height=2 * side)
        with Image.open(io.BytesIO(data)) as image:
            cut = _off_white(image) if image.format == "JPEG" else image.convert("RGBA")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error})", "use the version named in clipart.py") from error
    solid = cut.getchannel("A").getbbox()
    cut = cut.crop(solid) if solid else cut
    cut.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return cut


def _off_white(image: Image.Image) -> Image.Image:
    """RGBA: a drawing on white paper cut out of it, without the strokes around it that only show movement."""
    from scipy import ndimage

    pixels = np.asarray(image.convert("RGB"))
    drawn = ndimage.binary_fill_holes((pixels < WHITE).any(-1))
    parts, count = ndimage.label(drawn)
    areas = ndimage.sum_labels(drawn, parts, range(1, count + 1))
    kept = np.isin(parts, 1 + np.flatnonzero(areas >= SPECK * areas.max(initial=0)))
    return Image.fromarray(np.dstack([pixels, np.where(kept, 255, 0).astype(np.uint8)]), "RGBA")
