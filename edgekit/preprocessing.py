"""The words of a card's ``[preprocess.<input>]``; ``edgekit.runner.preprocess`` is what they do.

Order: decode, colour, resize, crop (pictures) or sample_rate, seconds, features (clips), then layout, then
``x = (x / scale - mean) / std`` in float32, then the input's dtype.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgekit.profiles import Frozen

_LAYOUT = r"^[A-Z1]{1,8}(->[A-Z1]{1,8})?$"
PerChannel = float | Annotated[tuple[float, ...], Field(min_length=1)]
Pixels = Annotated[int, Field(ge=1, le=16384)]


class Resize(Frozen):
    """To width x height whatever the aspect ratio, or so that the shorter side gets a length."""

    width: Pixels | None = Field(None, description="pixels; together with height")
    height: Pixels | None = Field(None, description="pixels; together with width")
    shorter: Pixels | None = Field(None, description="pixels of the shorter side; the aspect ratio stays")
    filter: Literal["nearest", "bilinear", "bicubic", "lanczos", "box"] = Field("bilinear", description="as Pillow's")

    @model_validator(mode="after")
    def _one_way(self) -> "Resize":
        sides = [self.width, self.height]
        if (self.shorter is None) == (sides == [None, None]) or sides.count(None) == 1:
            raise ValueError("resize takes width and height, or shorter alone")
        return self


class Crop(Frozen):
    """The middle part of a picture."""

    width: Pixels = Field(description="pixels")
    height: Pixels = Field(description="pixels; an odd rest is cut at the bottom and the right")


class AudioFeatures(Frozen):
    """Mel spectrograms: periodic Hann window, FFT, triangular mel filters (HTK mel scale), natural log, DCT-II."""

    kind: Literal["mfcc", "log-mel"] = Field(description="cepstra, or the logarithm of the bands")
    normalise: Literal["full-scale", "largest", "peak", "none"] = Field(
        "full-scale",
        description="divide the clip by 32768; by its largest signed sample (at least 1); by its largest absolute "
        "sample (at least 1); or not at all. Samples count as 16-bit integers",
    )
    window_ms: float = Field(30.0, gt=0, le=10_000, description="milliseconds of a window")
    hop_ms: float = Field(20.0, gt=0, le=10_000, description="milliseconds from window to window")
    fft: int = Field(512, ge=2, le=1 << 16, description="points of the FFT, at least a window's samples")
    power: float = Field(1.0, gt=0, description="1 for magnitude, 2 for power")
    mels: int = Field(40, ge=1, le=1024, description="mel bands")
    coefficients: int = Field(10, ge=1, le=1024, description="of an mfcc")
    low_hz: float = Field(20.0, ge=0, description="lower edge of the first band")
    high_hz: float = Field(4000.0, gt=0, description="upper edge of the last band, at most half the sample rate")
    floor: float = Field(1e-6, gt=0, description="added before the logarithm")
    dct: Literal["htk", "ortho"] = Field(
        "htk", description="sqrt(2 / mels) for every coefficient (HTK, TensorFlow), or orthonormal"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "AudioFeatures":
        if self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz ({self.low_hz:g}) must be below high_hz ({self.high_hz:g})")
        if self.kind == "mfcc" and self.coefficients > self.mels:
            raise ValueError(f"coefficients ({self.coefficients}) must not exceed mels ({self.mels})")
        return self


class Preprocess(Frozen):
    """How a raw sample becomes one input of the model."""

    layout: str | None = Field(
        None,
        pattern=_LAYOUT,
        description="axes before -> after, such as NHWC->NCHW; N, the samples, may be left out; 1 adds or removes an "
        "axis of length 1 (TF->1TF); without an arrow it only names the axes",
    )
    scale: float = Field(1.0, description="divides")
    mean: PerChannel = Field(0.0, description="subtracted after scale; one number, or one for each entry of axis C")
    std: PerChannel = Field(1.0, description="divides after mean; likewise")
    colour: Literal["RGB", "BGR", "grey"] = Field("RGB", description="pictures: order of the channels; grey has one")
    resize: Resize | None = Field(None, description="pictures: before crop")
    crop: Crop | None = Field(None, description="pictures: the middle")
    sample_rate: int | None = Field(None, ge=1, le=1_000_000, description="clips: required hertz")
    seconds: float | None = Field(None, gt=0, le=3600, description="clips: padded with zeros or cut to this")
    features: AudioFeatures | None = Field(None, description="clips: what the model hears; the samples by default")

    @model_validator(mode="after")
    def _fits_together(self) -> "Preprocess":
        if self.layout:
            sides = self.layout.split("->")
            before, after = (sorted(side.replace("1", "")) for side in (sides[0], sides[-1]))
            if before != after or len(set(before)) != len(before):
                raise ValueError(f"layout takes the same axes on both sides, each once, got {self.layout!r}")
        if self.scale == 0 or 0 in (self.std if isinstance(self.std, tuple) else (self.std,)):
            raise ValueError("scale and std must not be zero")
        if self.features is not None and self.sample_rate is None:
            raise ValueError("features need sample_rate")
        return self
