import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.runner.faults import InputError
from edgekit.runner.features import features_from_clip, mel_filters
from edgekit.runner.preprocess import AudioFeatures

NOISE = np.random.default_rng(0).integers(-20_000, 20_000, 16_000).astype(np.float64)


def test_frames_start_every_hop_and_none_reaches_over_the_end() -> None:
    how = AudioFeatures("mfcc", window_ms=30, hop_ms=20, coefficients=10)
    assert features_from_clip(NOISE, how, 16_000).shape == (49, 10)
    assert features_from_clip(NOISE[:480], how, 16_000).shape == (1, 10)
    assert features_from_clip(NOISE[:799], how, 16_000).shape == (1, 10)
    assert features_from_clip(NOISE[:800], how, 16_000).shape == (2, 10)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    time = np.arange(16_000) / 16_000
    how = AudioFeatures("log-mel", mels=40)
    centres = 700 * np.expm1(np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(4000 / 700), 42)[1:-1] / 1127)
    for hertz in (300.0, 1000.0, 3000.0):
        bands = features_from_clip(10_000 * np.sin(2 * np.pi * hertz * time), how, 16_000).mean(0)
        assert abs(int(bands.argmax()) - int(np.abs(centres - hertz).argmin())) <= 1


def test_cepstra_are_the_cosine_transform_of_the_log_mel_bands() -> None:
    fft = pytest.importorskip("scipy.fft")
    bands = features_from_clip(NOISE, AudioFeatures("log-mel"), 16_000)
    ortho = features_from_clip(NOISE, AudioFeatures("mfcc", dct="ortho", coefficients=40), 16_000)
    np.testing.assert_allclose(ortho, fft.dct(bands, type=2, norm="ortho", axis=-1), rtol=0, atol=2e-5)
    htk = features_from_clip(NOISE, AudioFeatures("mfcc", dct="htk", coefficients=40), 16_000)
    np.testing.assert_allclose(htk[:, 1:], ortho[:, 1:], rtol=0, atol=1e-5)
    np.testing.assert_allclose(htk[:, 0], ortho[:, 0] * np.sqrt(2), rtol=1e-6)


def test_power_two_squares_the_spectrum() -> None:
    tiny = {"floor": 1e-30, "normalise": "none"}
    one = features_from_clip(NOISE, AudioFeatures("log-mel", power=1.0, mels=1, **tiny), 16_000)
    two = features_from_clip(NOISE, AudioFeatures("log-mel", power=2.0, mels=1, **tiny), 16_000)
    assert (two > one + 5).all()


def test_silence_gives_the_floor() -> None:
    for normalise in ("full-scale", "largest", "peak", "none"):
        how = AudioFeatures("log-mel", floor=1e-3, normalise=normalise)
        assert np.allclose(features_from_clip(np.zeros(16_000), how, 16_000), np.log(1e-3))


def test_normalising_divides_as_it_says() -> None:
    clip = np.zeros(16_000)
    clip[[100, 200]] = 1000, -4000

    def loudness(normalise: str) -> float:
        how = AudioFeatures("log-mel", mels=1, floor=1e-30, normalise=normalise)
        return float(np.exp(features_from_clip(clip, how, 16_000)[0, 0]))

    assert loudness("none") == pytest.approx(32768 * loudness("full-scale"), rel=1e-5)
    assert loudness("none") == pytest.approx(1000 * loudness("largest"), rel=1e-5)
    assert loudness("none") == pytest.approx(4000 * loudness("peak"), rel=1e-5)


def test_a_wholly_negative_clip_is_divided_by_one() -> None:
    clip = NOISE * 0 - 5.0
    largest, none = (
        features_from_clip(clip, AudioFeatures("log-mel", normalise=word), 16_000) for word in ("largest", "none")
    )
    assert largest.tolist() == none.tolist()


@given(st.integers(1, 60), st.floats(0, 1000), st.floats(1500, 8000))
def test_filters_are_triangles_that_never_weigh_the_dc_bin(mels: int, low: float, high: float) -> None:
    filters = mel_filters(257, mels, low, high, 16_000)
    assert filters.shape == (257, mels)
    assert filters.min() >= 0
    assert filters.max() <= 1
    assert not filters[0].any()
    assert (filters.sum(1) <= 1 + 1e-9).all()  # neighbours cross where both are one half


@pytest.mark.parametrize(
    ("words", "rate"),
    [({"window_ms": 40.0}, 16_000), ({"hop_ms": 0.001}, 16_000), ({"high_hz": 4000.0}, 4_000), ({}, 48_000)],
)
def test_what_does_not_fit_the_sample_rate_is_refused(words: dict[str, float], rate: int) -> None:
    with pytest.raises(InputError, match=f"features do not fit {rate} Hz"):
        features_from_clip(NOISE, AudioFeatures("mfcc", **words), rate)


def test_an_endless_clip_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(InputError, match="windows"):
        features_from_clip(np.zeros(1_000_000), AudioFeatures("mfcc", window_ms=30, hop_ms=0.0625), 16_000)
