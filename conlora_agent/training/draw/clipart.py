"""Cut-out photographs and clip-art of two Debian packages. Which of their files show what is in clipart.txt.

Licences: tuxpaint-stamps-default (GPL-2), openclipart-png (public domain). The list was made by matching file names to
names.py and then by eye: what the name does not call to mind was left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from conlora_agent.core.errors import DataError
from conlora_agent.training.fetching import unpacked

PACKAGES = {
    "stamps": ("tuxpaint-stamps-default", "2022.06.04-1", "usr/share/tuxpaint/stamps"),
    "clipart": ("openclipart-png", "1:0.18+dfsg-19", "usr/share/openclipart/png"),
}
"""Style to package, version and the folder in it that its files are named from."""
LIST = Path(__file__).with_name("clipart.txt")


def listed(style: str) -> Iterator[tuple[str, str]]:
    """What each file of a style shows, and the file: ("frog", "animals/frog.png")."""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        name, _, files = line.partition(": ")
        yield from ((name, file.removeprefix(f"{style}/")) for file in files.split() if file.startswith(f"{style}/"))


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
            cut = image.convert("RGBA")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error})", "use the version named in clipart.py") from error
    solid = cut.getchannel("A").getbbox()
    cut = cut.crop(solid) if solid else cut
    cut.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return cut
