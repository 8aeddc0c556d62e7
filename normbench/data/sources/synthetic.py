"""The `synthetic` sources: ten classes of procedural 32x32 colour images, made on the spot without a network.

An image is a background with a gradient, a weaker *distractor* pattern of another class, the *main* pattern that gives
the label, two occluding rectangles, and pixel noise. Colours come from one distribution for all classes: colour alone
carries no information. A network must learn which of two overlapping patterns is the stronger one, in spite of noise.
Part of the confusion cannot be learned away, which keeps accuracies in a range where norms differ.

Only operations that IEEE 754 rounds exactly are used (+ - * / sqrt abs min max floor; no sin, no matrix product): every
machine makes the same bytes, and so the same fingerprint.
"""

import logging
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from normbench.data.dataset import RawData, Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.data.sources.source import SourceInput, SourceRequest

log = logging.getLogger(__name__)

VERSION = 1
"""Part of the data's identity in the cache: raise it whenever a byte of the images changes."""

SIZE = 32
# Images of one random stream. A block fits the CPU's cache, and a prefix of a split does not depend on its length.
BLOCK = 200
SEED = 20_240_229

NUM_TRAIN, NUM_TEST = 50_000, 10_000

Array: TypeAlias = NDArray[np.float32]
Shape: TypeAlias = Callable[[Array, Array, Array], Array]


def _window(u: Array, v: Array) -> Array:
    """Depth inside the unit disc: positive inside, in units of the pattern's radius."""
    return np.float32(1) - np.sqrt(u * u + v * v)


def _wave(x: Array, frequency: Array) -> Array:
    """Triangle wave of x, as a signed distance to the nearest edge of a band: `frequency` bands a radius."""
    phase = x * frequency
    return (np.float32(0.5) - np.abs(phase - np.float32(2) * np.floor(phase * np.float32(0.5)) - 1)) / frequency


def _horizontal(u: Array, v: Array, frequency: Array) -> Array:
    return np.minimum(_wave(v, frequency), _window(u, v))


def _vertical(u: Array, v: Array, frequency: Array) -> Array:
    return np.minimum(_wave(u, frequency), _window(u, v))


def _diagonal(u: Array, v: Array, frequency: Array) -> Array:
    return np.minimum(_wave((u + v) * np.float32(0.70710677), frequency), _window(u, v))


def _checkerboard(u: Array, v: Array, frequency: Array) -> Array:
    a, b = _wave(u, frequency), _wave(v, frequency)
    return np.minimum(np.maximum(np.minimum(a, b), np.minimum(-a, -b)), _window(u, v))


def _dots(u: Array, v: Array, frequency: Array) -> Array:
    a, b = np.float32(0.5) / frequency - _wave(u, frequency), np.float32(0.5) / frequency - _wave(v, frequency)
    return np.minimum(np.float32(0.62) / frequency - np.sqrt(a * a + b * b), _window(u, v))


def _disc(u: Array, v: Array, frequency: Array) -> Array:
    return _window(u, v) - np.float32(0.2)


def _ring(u: Array, v: Array, frequency: Array) -> Array:
    return np.float32(0.22) - np.abs(_window(u, v) - np.float32(0.22))


def _frame(u: Array, v: Array, frequency: Array) -> Array:
    return np.float32(0.2) - np.abs(np.float32(0.65) - np.maximum(np.abs(u), np.abs(v)))


def _cross(u: Array, v: Array, frequency: Array) -> Array:
    a, b = np.abs(u), np.abs(v)
    return np.minimum(np.float32(0.3) - np.minimum(a, b), np.float32(1) - np.maximum(a, b))


def _triangle(u: Array, v: Array, frequency: Array) -> Array:
    return np.minimum(np.float32(0.55) - v, (v + np.float32(1)) * np.float32(0.5) - np.abs(u) * np.float32(0.86))


SHAPES: dict[str, Shape] = {
    "horizontal stripes": _horizontal,
    "vertical stripes": _vertical,
    "diagonal stripes": _diagonal,
    "checkerboard": _checkerboard,
    "dots": _dots,
    "disc": _disc,
    "ring": _ring,
    "frame": _frame,
    "cross": _cross,
    "triangle": _triangle,
}
"""Class name -> signed depth (positive inside) at (u, v), in units of the radius. The order gives the labels."""


def synthetic(request: SourceRequest) -> SourceInput:
    """Ten procedural classes, the same bytes on every machine; needs no input."""
    return _source("synthetic", NUM_TRAIN, NUM_TEST)


def synthetic_small(request: SourceRequest) -> SourceInput:
    """The first fifth of the synthetic images, for trying things out: an epoch takes seconds."""
    return _source("synthetic-small", NUM_TRAIN // 5, NUM_TEST // 5)


def _source(slot: str, num_train: int, num_test: int) -> SourceInput:
    def read() -> RawData:
        log.info(f"making {num_train + num_test:,} synthetic images")
        return make_images(num_train, num_test)

    identity = f"version {VERSION}, {num_train} + {num_test}"
    return SourceInput(slot, lambda: identity, read, normalization=CIFAR10_CONSTANTS)


def make_images(num_train: int, num_test: int) -> RawData:
    """Make the splits and the class names; the same bytes on every call and every machine.

    Image i has class i % 10, so any multiple of ten images is balanced. A smaller split is a prefix of a larger one.
    The splits come from different random streams.
    """
    return RawData(_split(num_train, stream=0), _split(num_test, stream=1), tuple(SHAPES))


def _split(num_images: int, stream: int) -> Split:
    images = np.empty((num_images, 3, SIZE, SIZE), np.uint8)
    for block, start in enumerate(range(0, num_images, BLOCK)):
        part = images[start : start + BLOCK]
        # A shorter last block is drawn whole and cut: its images do not depend on num_images.
        part[:] = _block(np.random.Generator(np.random.PCG64([SEED, stream, block])))[: len(part)]
    return Split(torch.from_numpy(images), torch.arange(num_images) % len(SHAPES))


def _block(rng: np.random.Generator) -> NDArray[np.uint8]:
    """BLOCK images [BLOCK, 3, 32, 32], image i of class i % 10."""
    labels = np.arange(BLOCK) % len(SHAPES)
    others = (labels + rng.integers(1, len(SHAPES), BLOCK)) % len(SHAPES)
    background = _uniform(rng, 40, 215, BLOCK, 3)
    strength = _uniform(rng, 40, 150, BLOCK)
    # Squared: most images are easy, which starts the learning, and a few are hopeless.
    rivalry = np.square(_uniform(rng, 0, 1, BLOCK))
    sigma = np.square(_uniform(rng, 1.5, 6.5, BLOCK))
    colour = _direction(rng) * strength[:, None]
    other_colour = _direction(rng) * (strength * rivalry)[:, None]

    main, other, ramp = _coverage(rng, labels), _coverage(rng, others), _ramp(rng)
    image = np.empty((BLOCK, 3, SIZE, SIZE), np.float32)
    for channel in range(3):
        plane = main * colour[:, channel, None, None]
        plane += other * other_colour[:, channel, None, None]
        plane += background[:, channel, None, None]
        np.add(plane, ramp, out=image[:, channel])
    for _ in range(2):
        _occlude(rng, image)

    raw = np.frombuffer(rng.bytes(2 * image.size), np.uint8).reshape(2, *image.shape)
    noise = np.add(raw[0], raw[1], dtype=np.float32)  # triangular distribution, mean 255, std 104.5
    noise -= 255
    noise *= (sigma / np.float32(104.5))[:, None, None, None]
    image += noise
    return np.clip(image, 0, 255, out=image).astype(np.uint8)


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Array:
    return rng.random(shape, np.float32) * np.float32(high - low) + np.float32(low)


def _direction(rng: np.random.Generator) -> Array:
    """Colour differences [BLOCK, 3], largest channel 1: how visible a pattern is does not depend on its hue."""
    colour = _uniform(rng, -1, 1, BLOCK, 3)
    return colour / np.maximum(np.abs(colour).max(axis=1, keepdims=True), np.float32(0.05))


def _coverage(rng: np.random.Generator, labels: NDArray[np.int64]) -> Array:
    """How much of each pixel its label's pattern covers, [BLOCK, 32, 32] in 0..1, at a random place, size and tilt."""
    radius = _uniform(rng, 8, 13, BLOCK)
    centre_x, centre_y = _uniform(rng, 11, 20, BLOCK), _uniform(rng, 11, 20, BLOCK)
    # tan of half the angle: cosine and sine follow without calling either. 0.17 is 19 degrees to both sides.
    tangent = _uniform(rng, -0.17, 0.17, BLOCK)
    frequency = _uniform(rng, 2.0, 3.2, BLOCK)[:, None, None]
    softness = _uniform(rng, 0.8, 3.0, BLOCK)  # width of the edge in pixels: blur for free

    square = np.square(tangent)
    cosine = (1 - square) / (1 + square) / radius
    sine = 2 * tangent / (1 + square) / radius
    pixels = np.arange(SIZE, dtype=np.float32)
    x, y = pixels - centre_x[:, None], pixels - centre_y[:, None]
    u = (x * cosine[:, None])[:, None, :] + (y * sine[:, None])[:, :, None]
    v = (y * cosine[:, None])[:, :, None] - (x * sine[:, None])[:, None, :]

    # The parameters have one distribution for all classes, so images may be computed in any order: those of a class
    # are computed together, then put in their places.
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(SHAPES))).tolist()
    depth = np.empty((BLOCK, SIZE, SIZE), np.float32)
    for shape, start, end in zip(SHAPES.values(), [0, *ends], ends, strict=False):
        depth[start:end] = shape(u[start:end], v[start:end], frequency[start:end])
    depth *= (radius / softness)[:, None, None]
    depth += np.float32(0.5)
    coverage = np.empty_like(depth)
    coverage[order] = np.clip(depth, 0, 1, out=depth)
    return coverage


def _ramp(rng: np.random.Generator) -> Array:
    """A brightness gradient over the background, [BLOCK, 32, 32]."""
    pixels = (np.arange(SIZE, dtype=np.float32) - 15.5) / np.float32(16)
    slopes = _uniform(rng, -30, 30, 2, BLOCK)
    return (slopes[0][:, None] * pixels)[:, None, :] + (slopes[1][:, None] * pixels)[:, :, None]


def _occlude(rng: np.random.Generator, image: Array) -> None:
    """Paint a rectangle of one colour, 2 to 10 pixels a side, into each image."""
    colours = _uniform(rng, 0, 255, BLOCK, 3, 1, 1)
    size = rng.integers(2, 11, (2, BLOCK))
    start = np.maximum(rng.integers(-5, SIZE, (2, BLOCK)), 0)
    (top, left), (bottom, right) = start.tolist(), (start + size).tolist()
    for i in range(BLOCK):
        image[i, :, top[i] : bottom[i], left[i] : right[i]] = colours[i]
