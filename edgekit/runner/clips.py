"""Sound files become one axis of samples in units of 16-bit integers: -32768 to 32767, whatever the file's width.

Rules: one channel; the sample rate must be the one that preprocessing names (nothing is resampled); no more is read
than ``seconds`` needs; shorter clips are padded with zeros at the end. WAV needs the standard library only.
"""

import wave
from pathlib import Path

import numpy as np

from edgekit.runner.faults import InputError, missing
from edgekit.runner.features import features_from_clip
from edgekit.runner.preprocess import Array, Preprocessing

SUFFIXES = (".flac", ".wav")

_SAMPLES_MAX = 1 << 26  # 23 minutes at 48 kHz; 512 MiB


def audio_from_file(path: Path, how: Preprocessing) -> Array:
    """Read one sound file, and turn it into features where preprocessing names them.

    Returns:
        float32 (frames, coefficients or mels), or float32 (samples,) without features.

    Raises:
        InputError: the file is missing, damaged, has another rate or more than one channel.
        MissingExtra: FLAC without the soundfile package.
    """
    clip = clip_from_file(path, how)
    if how.features is None:
        return clip.astype(np.float32)
    if how.sample_rate is None:
        raise InputError("features need sample_rate")
    try:
        return features_from_clip(clip, how.features, how.sample_rate)
    except InputError as error:
        raise InputError([f"{path}: {mistake}" for mistake in error.mistakes], hint=error.hint) from error


def clip_from_file(path: Path, how: Preprocessing) -> Array:
    """Read one sound file as float64 (samples,), padded or cut to ``how.seconds``."""
    read = _read_flac if path.suffix.lower() == ".flac" else _read_wav
    try:
        clip = read(path, how)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except InputError as error:
        raise InputError([f"{path}: {mistake}" for mistake in error.mistakes], hint=error.hint) from error
    if how.seconds is None or how.sample_rate is None:
        return clip
    return np.pad(clip, (0, round(how.seconds * how.sample_rate) - len(clip)))


def _frames_to_read(how: Preprocessing, rate: int, channels: int, frames: int) -> int:
    """Check what a file's head says, and return how many samples are needed of it."""
    if how.sample_rate not in (None, rate):
        hint = "resample the clips, or correct sample_rate if the model was trained at that rate"
        raise InputError(f"sampled at {rate} Hz, preprocessing says {how.sample_rate} Hz", hint=hint)
    if channels != 1:
        raise InputError(f"{channels} channels, one is needed", hint="mix the clips down to one channel")
    if frames == 0:
        raise InputError("no samples in it")
    wanted = frames if how.seconds is None else round(how.seconds * rate)
    if wanted > _SAMPLES_MAX:
        raise InputError(f"a clip of {wanted} samples is too long", hint="cut it with seconds")
    return min(frames, wanted)


def _read_wav(path: Path, how: Preprocessing) -> Array:
    """Read PCM of 8 (unsigned), 16, 24 or 32 bits."""
    try:
        with wave.open(str(path), "rb") as stream:
            frames = _frames_to_read(how, stream.getframerate(), stream.getnchannels(), stream.getnframes())
            width = stream.getsampwidth()
            data = stream.readframes(frames)
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError: a chunk longer than the file
        raise InputError(
            f"no readable PCM WAV: {str(error) or 'it ends early'}", hint="save it as 16-bit PCM"
        ) from error
    if len(data) != frames * width:
        raise InputError(f"truncated: {len(data) // width} of {frames} samples are there")
    if width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float64) - 128.0) * 256.0
    # little-endian samples of 2 to 4 bytes, moved up into 32 bits so that the sign comes out right
    wide = np.zeros((frames, 4), np.uint8)
    wide[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(frames, width)
    return wide.view("<i4")[:, 0].astype(np.float64) / 65536.0


def _read_flac(path: Path, how: Preprocessing) -> Array:
    """Read FLAC with libsndfile."""
    try:
        import soundfile  # noqa: PLC0415 - an extra, needed for FLAC alone
    except ImportError as error:
        raise missing("soundfile", "audio") from error
    if not path.is_file():
        raise InputError("no such file")
    try:
        with soundfile.SoundFile(path) as stream:
            frames = _frames_to_read(how, stream.samplerate, stream.channels, stream.frames)
            data = stream.read(frames, dtype="float64")
    except soundfile.SoundFileError as error:
        raise InputError(f"no readable FLAC: {error}", hint="replace or remove the file") from error
    if len(data) != frames:
        raise InputError(f"truncated: {len(data)} of {frames} samples are there")
    scaled: Array = data * 32768.0
    return scaled
