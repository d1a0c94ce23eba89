"""Pictures of every origin: usable, or refused in one clear line."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conlora_agent.core.errors import PictureError
from conlora_agent.memory.decoding import decode_picture, read_picture_file

LIMIT = 50_000_000


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def decode(data: bytes) -> Image.Image:
    picture = decode_picture(data, max_pixels=LIMIT)
    assert picture.mode == "RGB"
    return picture


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header announces a size that its few bytes do not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(1, 1), (10_000, 10), (10, 10_000), (640, 480)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_sizes_and_formats(format: str, size: tuple[int, int]) -> None:
    assert decode(encoded(Image.new("RGB", size, "red"), format)).size == size


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "I", "CMYK", "F", "PA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = Image.new("L", (8, 8), 200).convert("RGBA" if mode == "PA" else mode if mode != "I;16" else "L")
    if mode == "I;16":
        picture = Image.frombytes("I;16", (8, 8), struct.pack("<H", 200 * 256) * 64)
    pixel = decode(encoded(picture, "TIFF" if mode in ("CMYK", "F", "I") else "PNG")).getpixel((4, 4))
    assert all(abs(value - (255 if mode == "1" else 200)) <= 6 for value in pixel)  # type: ignore[union-attr]


def test_deep_values_keep_their_shape() -> None:
    picture = Image.new("F", (2, 1))
    picture.putpixel((0, 0), -1000.0)
    picture.putpixel((1, 0), 5000.0)
    rgb = decode(encoded(picture, "TIFF"))
    assert (rgb.getpixel((0, 0)), rgb.getpixel((1, 0))) == ((0, 0, 0), (255, 255, 255))


def test_transparency_lies_on_white() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)
    half = decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))).getpixel((0, 0))
    assert half == (127, 127, 127)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photograph_stands_upright(orientation: int) -> None:
    upright = Image.new("RGB", (16, 32), "white")
    upright.paste("red", (0, 0, 8, 8))
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = decode(encoded(stored, "PNG", exif=exif))
    assert shown.size == (16, 32)
    assert shown.getpixel((2, 2)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-300], "truncated"),
        (encoded(Image.effect_noise((64, 64), 50), "PNG")[:300], "truncated"),
        (bomb(10_000, 10_000), "more than 50 million pixels"),
        (bomb(20_000, 20_000), "more than 50 million pixels"),
        (bomb(7_072, 7_072), "more than 50 million pixels"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_remedy(data: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message) as caught:
        decode(data)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\0"]),
)
def test_any_bytes_are_a_picture_or_a_clear_error(data: bytes, magic: bytes) -> None:
    try:
        decode(magic + data)
    except PictureError as error:
        assert error.remedy


@given(st.data())
def test_damage_anywhere_is_a_picture_or_a_clear_error(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF"]))
    whole = bytearray(encoded(Image.linear_gradient("L").resize((16, 16)), format))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(whole))
    except PictureError as error:
        assert error.remedy


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    assert read_picture_file(path) == b"x"
    for wrong in (tmp_path / "b.png", tmp_path, Path("a\0b")):
        with pytest.raises(PictureError):
            read_picture_file(wrong)
