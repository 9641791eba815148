"""Clips become mel spectrograms or cepstra, in float64 inside and float32 at the end.

Frames start every ``hop``, none reaches over the clip's end; periodic Hann window; FFT of ``fft`` points; magnitude to
``power``; triangular filters on the HTK mel scale (mel = 1127 ln(1 + hertz / 700)), linear in mel, nothing from the DC
bin; natural logarithm of the band plus ``floor``; DCT-II. These are TensorFlow's ``linear_to_mel_weight_matrix`` and
``mfccs_from_log_mel_spectrograms``, as the MLPerf Tiny keyword spotter was trained with.
"""

from functools import lru_cache

import numpy as np

from edgekit.runner.faults import InputError
from edgekit.runner.preprocess import Array, AudioFeatures

_FULL_SCALE = 32768.0
_POINTS_MAX = 1 << 25


def features_from_clip(clip: Array, how: AudioFeatures, sample_rate: int) -> Array:
    """Compute the features of one clip.

    Args:
        clip: (samples,) in units of 16-bit integers.
        how: the features.
        sample_rate: hertz.

    Returns:
        float32 (frames, coefficients) for mfcc, (frames, mels) for log-mel.

    Raises:
        InputError: the clip is shorter than a window, or the window longer than the FFT.
    """
    window, hop = (round(each * sample_rate / 1000) for each in (how.window_ms, how.hop_ms))
    if window > how.fft or hop < 1 or how.high_hz > sample_rate / 2:
        raise InputError(
            f"features do not fit {sample_rate} Hz: a window of {window} samples (at most fft = {how.fft}), "
            f"a hop of {hop} (at least 1), high_hz = {how.high_hz:g} (at most {sample_rate / 2:g})"
        )
    starts = np.arange(0, len(clip) - window + 1, hop)
    if not 0 < len(starts) * how.fft <= _POINTS_MAX:
        raise InputError(f"a clip of {len(clip)} samples gives {len(starts)} windows of {window}")
    frames = _normalise(clip, how.normalise)[starts[:, None] + np.arange(window)] * _hann(window)
    spectrum = np.abs(np.fft.rfft(frames, how.fft))
    bands = (spectrum if how.power == 1.0 else spectrum**how.power) @ mel_filters(
        how.fft // 2 + 1, how.mels, how.low_hz, how.high_hz, sample_rate
    )
    logarithms: Array = np.log(bands + how.floor)
    if how.kind == "mfcc":
        logarithms = logarithms @ _cosines(how.mels, how.coefficients, how.dct)
    return logarithms.astype(np.float32)


def _normalise(clip: Array, how: str) -> Array:
    """Divide a clip as the card says; a silent or wholly negative clip is divided by 1."""
    if how == "full-scale":
        return clip / _FULL_SCALE
    if how == "largest":
        return clip / max(float(clip.max()), 1.0)
    if how == "peak":
        return clip / max(float(np.abs(clip).max()), 1.0)
    return clip


def _hann(window: int) -> Array:
    """Periodic Hann window: 0.5 - 0.5 cos(2 pi n / N)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)


@lru_cache(maxsize=8)
def mel_filters(bins: int, mels: int, low_hz: float, high_hz: float, sample_rate: int) -> Array:
    """Return the triangular filters, (bins, mels) float64."""
    points = _mel_from_hertz(np.linspace(0, sample_rate / 2, bins))[:, None]
    edges = np.linspace(_mel_from_hertz(np.float64(low_hz)), _mel_from_hertz(np.float64(high_hz)), mels + 2)
    rising = (points - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - points) / np.diff(edges)[1:]
    filters: Array = np.maximum(0, np.minimum(rising, falling))
    filters[0] = 0
    return filters


def _mel_from_hertz(hertz: Array | np.float64) -> Array:
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))


@lru_cache(maxsize=8)
def _cosines(mels: int, coefficients: int, kind: str) -> Array:
    """Return the DCT-II matrix (mels, coefficients): sqrt(2 / mels) cos(pi / mels (n + 1/2) k)."""
    angle = np.pi / mels * np.outer(np.arange(mels) + 0.5, np.arange(coefficients))
    matrix: Array = 2 * np.cos(angle) / np.sqrt(2 * mels)
    if kind == "ortho":
        matrix[:, 0] /= np.sqrt(2)
    return matrix
