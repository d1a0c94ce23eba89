"""From bytes of any origin to a usable RGB picture, or one clear PictureError.

The size is checked before anything is decoded. Formats that run programs or fetch files (EPS, ...) are not accepted.
Not covered here: storing pictures (conlora_agent.memory.pictures).
"""

from __future__ import annotations

import io
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from conlora_agent.core.errors import PictureError, reason

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""Read where Pillow was built with them."""
MAX_BYTES = 100_000_000

_ACCEPTED = "send a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF file"
_quiet = threading.Lock()


def read_picture_file(path: Path) -> bytes:
    """The bytes of a picture file. Raises PictureError when there is none or it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"{path} is larger than {MAX_BYTES // 10**6} MB", "send a smaller file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"there is no file {path}", "check the path") from error
    except (OSError, ValueError) as error:
        raise PictureError(
            f"cannot read {path} ({reason(error)})", "give the path of a readable picture file"
        ) from error


def decode_picture(data: bytes, *, max_pixels: int) -> Image:
    """The first frame as an EXIF-upright 8-bit RGB picture, transparency on white.

    Raises PictureError for what is empty, not a picture, truncated or larger than `max_pixels`.
    """
    if not data:
        raise PictureError("the picture is empty (0 bytes)", _ACCEPTED)
    if len(data) > MAX_BYTES:
        raise PictureError(f"the picture is larger than {MAX_BYTES // 10**6} MB", "send a smaller file")
    picture = _open(data, max_pixels)
    try:
        picture.load()
        return _to_rgb(_upright(picture))
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ... on damaged data
        raise PictureError(f"the picture is damaged or truncated ({error})", "save or send it again") from error


def _open(data: bytes, max_pixels: int) -> Image:
    """Read the header only."""
    import PIL
    import PIL.Image

    PIL.Image.init()  # registers the formats
    known = [name for name in FORMATS if name in PIL.Image.OPEN]
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            picture = PIL.Image.open(io.BytesIO(data), formats=known)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except PIL.UnidentifiedImageError as error:
        raise PictureError("these bytes are not a picture", _ACCEPTED) from error
    except Exception as error:
        raise PictureError(f"the picture's header is damaged ({error})", "save or send it again") from error
    if picture.width * picture.height > max_pixels:
        raise _too_large(max_pixels, f" ({picture.width}x{picture.height})")
    if picture.width < 1 or picture.height < 1:
        raise PictureError("the picture has no pixels", _ACCEPTED)
    return picture


def _too_large(max_pixels: int, size: str = "") -> PictureError:
    return PictureError(f"the picture has more than {max_pixels / 1e6:g} million pixels{size}", "send a smaller copy")


def _upright(picture: Image) -> Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return picture


def _to_rgb(picture: Image) -> Image:
    """Any mode to RGB: transparency on white, 16-bit by its high byte, other deep values by their range."""
    import PIL.Image

    if picture.mode.startswith("I;16"):
        picture = picture.convert("I").point([value >> 8 for value in range(65536)], "L")
    elif picture.mode in ("I", "F"):
        picture = _by_range(picture)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")


def _by_range(picture: Image) -> Image:
    extrema = picture.getextrema()
    low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]  # one band, hence two numbers
    if low >= 0 and high <= 255:
        return picture.convert("L")
    scale = 255.0 / (high - low or 1.0)
    return picture.convert("F").point(lambda value: value * scale - low * scale).convert("L")
