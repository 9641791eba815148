"""Quantize one model with one peer, as a user of that peer would, and save what came out.

Runs under the peers' own Python (no EdgeKit there), one process for each artifact, so that the time from start to
exit and the peak memory are the peer's alone:

    python quantize_peer.py onnxruntime-minmax-channel --model m.onnx --samples FOLDER --out X.onnx

``FOLDER`` holds one ``<input>.npy`` for each model input, ``(samples, *shape of one feed)``, made ready beforehand:
decoding pictures and clips is not charged to the peers. Samples are read from disk one at a time, so that the peak of
memory is the peer's too. Each peer's package is imported only by its own function, which works in the folder of the
result: ONNX Runtime's shape inference leaves files where it stands.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["OPENVINO_TELEMETRY_DISABLED"] = "1"
os.environ["NNCF_TELEMETRY_DISABLED"] = "1"

import numpy as np

Feeds = dict[str, np.ndarray[Any, np.dtype[Any]]]

ONNXRUNTIME = {
    "onnxruntime-minmax-tensor": {"method": "MinMax", "per_channel": False},
    "onnxruntime-minmax-channel": {"method": "MinMax", "per_channel": True},
    "onnxruntime-percentile-channel": {"method": "Percentile", "per_channel": True},
}
NNCF = {
    "nncf-performance-onnx": {"preset": "performance", "model": "onnx"},
    "nncf-mixed-onnx": {"preset": "mixed", "model": "onnx"},
    "nncf-performance-openvino": {"preset": "performance", "model": "openvino"},
    "nncf-mixed-openvino": {"preset": "mixed", "model": "openvino"},
}
VARIANTS = (*ONNXRUNTIME, *NNCF)


class Samples:
    """Feeds on disk: one ``.npy`` for each input, read row by row, never mapped into memory as a whole."""

    def __init__(self, folder: Path) -> None:
        self._arrays = {path.stem: _row_reader(path) for path in sorted(folder.glob("*.npy"))}
        self._count = min(rows for _, _, rows, _, _ in self._arrays.values())

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Feeds:
        return {name: _read_row(reader, index) for name, reader in self._arrays.items()}

    def __iter__(self) -> Iterator[Feeds]:
        return (self[index] for index in range(len(self)))


Reader = tuple[Path, int, int, tuple[int, ...], np.dtype[Any]]


def _row_reader(path: Path) -> Reader:
    with path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
        if fortran:
            raise ValueError(f"{path} is stored column by column")
        return path, stream.tell(), shape[0], shape[1:], dtype


def _read_row(reader: Reader, index: int) -> np.ndarray[Any, np.dtype[Any]]:
    path, start, _, shape, dtype = reader
    items = int(np.prod(shape))
    return np.fromfile(path, dtype, items, offset=start + index * items * dtype.itemsize).reshape(shape)


def quantize_onnxruntime(model: Path, samples: Samples, out: Path, options: Mapping[str, Any]) -> None:
    """ONNX Runtime's own road: quant_pre_process, then quantize_static to QDQ with u8 activations and s8 weights."""
    from onnxruntime import quantization as peer  # noqa: PLC0415 - this peer alone
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415 - likewise

    class Reader(peer.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rows = iter(samples)

        def get_next(self) -> Feeds | None:
            return next(self._rows, None)

    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(str(model), str(prepared))
    peer.quantize_static(
        str(prepared),
        str(out),
        Reader(),
        quant_format=peer.QuantFormat.QDQ,
        per_channel=options["per_channel"],
        activation_type=peer.QuantType.QUInt8,
        weight_type=peer.QuantType.QInt8,
        calibrate_method=getattr(peer.CalibrationMethod, options["method"]),
    )
    prepared.unlink()


def quantize_nncf(model: Path, samples: Samples, out: Path, options: Mapping[str, Any]) -> None:
    """NNCF's own road: nncf.quantize on an ONNX or OpenVINO model, every calibration sample used."""
    import nncf  # noqa: PLC0415 - this peer alone

    preset = nncf.QuantizationPreset(options["preset"])
    dataset = nncf.Dataset(samples)
    if options["model"] == "onnx":
        import onnx  # noqa: PLC0415 - likewise

        quantized = nncf.quantize(onnx.load(model), dataset, preset=preset, subset_size=len(samples))
        onnx.save(quantized, out)
    else:
        import openvino  # noqa: PLC0415 - likewise

        quantized = nncf.quantize(openvino.Core().read_model(model), dataset, preset=preset, subset_size=len(samples))
        openvino.save_model(quantized, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()
    samples, model, out = Samples(words.samples.resolve()), words.model.resolve(), words.out.resolve()
    os.chdir(out.parent)
    if words.variant in ONNXRUNTIME:
        quantize_onnxruntime(model, samples, out, ONNXRUNTIME[words.variant])
    else:
        quantize_nncf(model, samples, out, NNCF[words.variant])


if __name__ == "__main__":
    sys.exit(main())
