"""Bitmaps on the graphics side: what must be known of OpenGL is known here.

A texture takes one byte a pixel for grey and three for colour.  Graphics cards and Mesa's software
renderer alike keep a texture of colours in four; so red, green and blue are three grey textures,
drawn one after another into their own part of the screen's colours.  Pictures are read and resized
by a few threads ahead of the one thread that may call OpenGL; Pillow works outside Python's lock.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from ctypes import c_uint
from itertools import islice
from typing import NamedTuple, TypeVar

from PIL import Image

from task.contract.errors import RigError

_THREADS = min(4, os.cpu_count() or 1)
_AHEAD = 2 * _THREADS  # most pictures read and not yet handed over
_STEP_S = 0.004  # a step waits no longer, so that a screen can be kept alive between steps


_ALL = ((True, True, True),)
_EACH = ((True, False, False), (False, True, False), (False, False, True))


class Pixels(NamedTuple):
    """A bitmap as OpenGL takes it, rows from the top: one plane of grey, or red, green and blue."""

    width: int
    height: int
    planes: tuple[bytes, ...]

    @property
    def bytes(self) -> int:
        """What its texture takes."""
        return texture_bytes(self.width, self.height, len(self.planes) == 1)


class Texture(NamedTuple):
    """A bitmap on the graphics side, and its corners in OpenGL's coordinates (-1 to 1)."""

    names: tuple[int, ...]
    bytes: int
    left: float
    bottom: float
    right: float
    top: float


class Patch(NamedTuple):
    """A rectangle of one grey level, corners as above."""

    level: float
    left: float
    bottom: float
    right: float
    top: float


def texture_bytes(width: int, height: int, grey: bool) -> int:
    """What a texture takes."""
    return width * height * (1 if grey else 3)


def pixels(image: Image.Image) -> Pixels:
    """A bitmap of mode L or RGB, ready to be handed over."""
    planes = (image,) if image.mode == "L" else image.split()
    return Pixels(image.width, image.height, tuple(plane.tobytes() for plane in planes))


T = TypeVar("T")
R = TypeVar("R")


def ahead(items: Iterable[T], make: Callable[[T], R]) -> Iterator[tuple[T, R] | None]:
    """`make` of every item, in order, made by threads a few items ahead.

    None where the next one is not ready within a few milliseconds: ask again.
    """
    left = iter(items)
    first = list(islice(left, _AHEAD))
    if not first:
        return
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
    try:
        making: deque[tuple[T, Future[R]]] = deque(
            (item, pool.submit(make, item)) for item in first
        )
        while making:
            item, future = making[0]
            if not future.done() and not wait([future], _STEP_S).done:
                yield None
                continue
            making.popleft()
            made = future.result()
            making.extend((item, pool.submit(make, item)) for item in islice(left, 1))
            yield item, made
    finally:
        pool.shutdown(cancel_futures=True)


def upload(bitmap: Pixels) -> tuple[int, ...]:
    """Make a texture; the name of each plane.

    Raises
    ------
    RigError
        If the graphics card does not take it.
    """
    from pyglet import gl

    while gl.glGetError():  # somebody else's
        pass
    names = tuple(_upload(bitmap.width, bitmap.height, plane) for plane in bitmap.planes)
    error = gl.glGetError()
    if error:  # otherwise the picture would be black, and nobody would know
        what = "out of memory" if error == gl.GL_OUT_OF_MEMORY else f"OpenGL error {error}"
        raise RigError(
            f"the graphics card does not take a picture of {bitmap.width} by {bitmap.height}"
            f" pixels: {what}; make blocks shorter (break_after) or texture_mb in the rig file"
            " smaller"
        )
    return names


def _upload(width: int, height: int, plane: bytes) -> int:
    from pyglet import gl

    name = c_uint()
    gl.glGenTextures(1, name)
    gl.glBindTexture(gl.GL_TEXTURE_2D, name.value)
    # Before the pixels: otherwise a driver makes room for smaller copies too, a third more.
    for setting in (gl.GL_TEXTURE_MIN_FILTER, gl.GL_TEXTURE_MAG_FILTER):
        gl.glTexParameteri(gl.GL_TEXTURE_2D, setting, gl.GL_NEAREST)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MAX_LEVEL, 0)
    gl.glPixelStorei(gl.GL_UNPACK_ALIGNMENT, 1)
    gl.glTexImage2D(
        gl.GL_TEXTURE_2D, 0, gl.GL_LUMINANCE8, width, height, 0, gl.GL_LUMINANCE,
        gl.GL_UNSIGNED_BYTE, plane,
    )  # fmt: skip
    return int(name.value)


def delete(texture: Texture) -> None:
    """Give a texture's memory back."""
    from pyglet import gl

    gl.glDeleteTextures(len(texture.names), (c_uint * len(texture.names))(*texture.names))


def draw(textures: Sequence[Texture], patch: Patch | None) -> None:
    """Rectangles on the hidden buffer, one over the other, the patch on top."""
    from pyglet import gl

    gl.glUseProgram(0)
    for matrix in (gl.GL_PROJECTION, gl.GL_MODELVIEW):
        gl.glMatrixMode(matrix)
        gl.glPushMatrix()
        gl.glLoadIdentity()
    gl.glActiveTexture(gl.GL_TEXTURE0)
    gl.glEnable(gl.GL_TEXTURE_2D)
    gl.glDisable(gl.GL_BLEND)
    gl.glColor4f(1, 1, 1, 1)
    for names, _, left, bottom, right, top in textures:
        for name, colours in zip(names, _ALL if len(names) == 1 else _EACH, strict=True):
            gl.glColorMask(*colours, True)
            gl.glBindTexture(gl.GL_TEXTURE_2D, name)
            _rectangle(left, bottom, right, top)
    gl.glColorMask(True, True, True, True)
    gl.glDisable(gl.GL_TEXTURE_2D)
    if patch:
        level, left, bottom, right, top = patch
        gl.glColor4f(level, level, level, 1)
        _rectangle(left, bottom, right, top)
    for matrix in (gl.GL_MODELVIEW, gl.GL_PROJECTION):
        gl.glMatrixMode(matrix)
        gl.glPopMatrix()


def finish() -> None:
    """Wait until all that was drawn is in the hidden buffer."""
    from pyglet import gl

    gl.glFinish()


def _rectangle(left: float, bottom: float, right: float, top: float) -> None:
    from pyglet import gl

    gl.glBegin(gl.GL_QUADS)
    for s, t, x, y in (
        (0, 1, left, bottom),
        (1, 1, right, bottom),
        (1, 0, right, top),
        (0, 0, left, top),
    ):
        gl.glTexCoord2f(s, t)
        gl.glVertex2f(x, y)
    gl.glEnd()
