import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from edgekit.runner.clips import audio_from_file, clip_from_file
from edgekit.runner.faults import InputError, MissingExtra
from edgekit.runner.preprocess import AudioFeatures, Preprocessing

SAMPLES = np.array([0, 1, -1, 32767, -32768, 12345], np.int64)
HOW = Preprocessing(sample_rate=8000)


def write_wav(
    path: Path, samples: np.ndarray = SAMPLES, *, width: int = 2, rate: int = 8000, channels: int = 1
) -> Path:
    """Write samples in units of 16-bit integers with another width."""
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(channels)
        stream.setsampwidth(width)
        stream.setframerate(rate)
        if width == 1:
            data = ((samples >> 8) + 128).astype(np.uint8).tobytes()
        else:
            wide = (samples << 16).astype("<i4").view(np.uint8).reshape(-1, 4)
            data = wide[:, 4 - width :].tobytes()
        stream.writeframes(data)
    return path


@pytest.mark.parametrize("width", [2, 3, 4])
def test_wav_of_every_width_gives_the_same_numbers(tmp_path: Path, width: int) -> None:
    clip = clip_from_file(write_wav(tmp_path / "a.wav", width=width), HOW)
    assert clip.dtype == np.float64
    assert clip.tolist() == SAMPLES.tolist()


def test_eight_bits_count_in_units_of_sixteen(tmp_path: Path) -> None:
    clip = clip_from_file(write_wav(tmp_path / "a.wav", np.array([-32768, 0, 32512]), width=1), HOW)
    assert clip.tolist() == [-32768.0, 0.0, 32512.0]


def test_twenty_four_bits_keep_their_fractions(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 3, 8000, 0, "NONE", ""))
        stream.writeframes(b"\x80\x00\x00" + b"\x80\xff\xff")
    assert clip_from_file(path, HOW).tolist() == [0.5, -0.5]


def test_flac_gives_the_same_numbers_as_wav(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.flac", SAMPLES.astype(np.int16), 8000, subtype="PCM_16")
    assert clip_from_file(tmp_path / "a.flac", HOW).tolist() == SAMPLES.tolist()


def test_clips_are_padded_with_zeros_or_cut(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    longer = clip_from_file(path, Preprocessing(sample_rate=8000, seconds=0.001))
    assert longer.tolist() == [*SAMPLES.tolist(), 0.0, 0.0]
    shorter = clip_from_file(path, Preprocessing(sample_rate=8000, seconds=0.0005))
    assert shorter.tolist() == SAMPLES[:4].tolist()


def test_samples_without_features_are_what_the_model_hears(tmp_path: Path) -> None:
    heard = audio_from_file(write_wav(tmp_path / "a.wav"), HOW)
    assert heard.dtype == np.float32
    assert heard.tolist() == SAMPLES.tolist()


def test_features_come_out_as_frames(tmp_path: Path) -> None:
    how = Preprocessing(sample_rate=8000, seconds=0.1, features=AudioFeatures("log-mel", mels=7))
    assert audio_from_file(write_wav(tmp_path / "a.wav"), how).shape == (4, 7)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_another_sample_rate_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "wav":
        write_wav(path)
    else:
        pytest.importorskip("soundfile").write(path, SAMPLES.astype(np.int16), 8000)
    with pytest.raises(InputError, match=f"{path}: sampled at 8000 Hz, preprocessing says 16000 Hz"):
        clip_from_file(path, Preprocessing(sample_rate=16000))


def test_two_channels_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 channels, one is needed"):
        clip_from_file(write_wav(tmp_path / "a.wav", channels=2), HOW)


def test_an_empty_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no samples in it"):
        clip_from_file(write_wav(tmp_path / "a.wav", SAMPLES[:0]), HOW)


def test_a_truncated_wav_is_named(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.arange(1000))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=rf"{path}: truncated: \d+ of 1000 samples are there"):
        clip_from_file(path, HOW)


def test_a_truncated_flac_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    noise = np.random.default_rng(0).integers(-9999, 9999, 20_000).astype(np.int16)
    pytest.importorskip("soundfile").write(path, noise, 8000)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(InputError, match=f"{path}: "):
        clip_from_file(path, HOW)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("data", [b"", b"RIFF\x24\x00\x00\x00WAVE", b"\x00" * 500, b"fLaC" + b"\xff" * 50])
def test_other_bytes_are_no_sound(tmp_path: Path, suffix: str, data: bytes) -> None:
    if suffix == "flac":
        pytest.importorskip("soundfile")
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{path}: no readable"):
        clip_from_file(path, HOW)


@pytest.mark.parametrize("name", ["no.wav", "no.flac"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    if name.endswith("flac"):
        pytest.importorskip("soundfile")
    with pytest.raises(InputError, match=rf"{tmp_path / name}: (cannot be read|no such file)"):
        clip_from_file(tmp_path / name, HOW)


def test_flac_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra) as caught:
        clip_from_file(tmp_path / "a.flac", HOW)
    assert caught.value.hint == 'pip install "edgekit[audio]"'


def test_features_need_the_sample_rate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="features need sample_rate"):
        audio_from_file(write_wav(tmp_path / "a.wav"), Preprocessing(features=AudioFeatures("mfcc")))


def test_features_of_a_clip_that_is_too_short_name_the_file(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    with pytest.raises(InputError, match=f"{path}: a clip of 6 samples gives 0 windows"):
        audio_from_file(path, Preprocessing(sample_rate=8000, features=AudioFeatures("mfcc")))


def test_a_clip_too_long_for_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    with pytest.raises(InputError, match=f"{path}: a clip of 80000000 samples is too long"):
        clip_from_file(path, Preprocessing(sample_rate=8000, seconds=10_000))
