"""Make the report that the pages are tested with: one target that holds, one that misses, one that cannot be told.

Run `python tests/golden/make_report.py` after a change of the report's schema or of a page's words, and look at the
difference; `tests/present/test_golden.py` compares what lies on disk with what this file makes.
"""

from pathlib import Path

from edgekit.present.junit import junit_from_report
from edgekit.present.markdown import markdown_from_report
from edgekit.report import (
    Accuracy,
    Alternative,
    ArtifactRecord,
    Budget,
    Check,
    FileEntry,
    Inputs,
    Latency,
    Memory,
    ModelRecord,
    P,
    ProfileRecord,
    Remedy,
    Report,
    StepRecord,
    TargetReport,
)

HERE = Path(__file__).resolve().parent
NO_ARM = "this machine is x86_64 and cannot run aarch64"


def example_report() -> Report:
    """A build of resnet20 for three targets, with every part of the schema filled at least once."""
    return Report.of(
        tool="edgekit 0.1.0",
        budget=Budget(drop_points=1.0, drop_is_default=True, p90_ms=2.0, size_mib=0.5),
        model=ModelRecord(path="resnet20.onnx", sha256="a" * 64, size_bytes=1_093_450),
        targets=[holding(), missing_it(), untold()],
        steps=[
            StepRecord(use="prepare", seconds=0.84, facts={"folded_batchnorms": 19}),
            StepRecord(use="quantize.static", seconds=6.31, facts={"pairs": 118}, target="onnxruntime-x86"),
            StepRecord(use="compile", seconds=0.52, target="onnxruntime-x86", reused=True),
            StepRecord(use="measure", seconds=41.7, target="onnxruntime-x86"),
        ],
        surroundings={
            "processor": "Intel(R) Xeon(R) Processor",
            "cores": 2,
            "governor": None,
            "load_1min": 0.24,
            "packages": {"numpy": "2.4.6", "onnxruntime": "1.32.0"},
        },
        inputs=Inputs(
            card="cifar10",
            calibration_sha256="b" * 64,
            evaluation_sha256="c" * 64,
            calibration_samples=510,
            evaluation_samples=5000,
            dropped_samples=2,
            profiles={"targets/onnxruntime-x86": ProfileRecord(path="targets/onnxruntime-x86.toml", sha256="d" * 64)},
        ),
    )


def holding() -> TargetReport:
    """Faster, smaller, and the drop is proven to be within the budget."""
    accuracy = Accuracy(
        metric="top1",
        better="higher",
        base=92.6,
        value=92.48,
        drop=0.12,
        drop_lower_95=-0.18,
        drop_upper_95=0.43,
        samples=5000,
        churn=0.0118,
        measured_with="onnxruntime 1.32.0 on this host",
        facts={"sqnr_db": 24.1},
    )
    latency = Latency(
        threads=1,
        base=P(p50_ms=1.92, p90_ms=2.05, samples=900),
        value=P(p50_ms=0.871, p90_ms=0.93, p90_upper_99_ms=0.95, samples=900),
        speedup=2.2,
        speedup_ci95=(2.13, 2.28),
        speedup_vs_onnxruntime_float=2.24,
        prepare_speedup=1.02,
        rounds=10,
    )
    return TargetReport(
        name="onnxruntime-x86",
        runtime="onnxruntime",
        runtime_version="1.32.0",
        precision="int8",
        measured_on="host",
        artifact=artifact("artifacts/onnxruntime-x86", {"resnet20.onnx": 301_120}),
        accuracy=accuracy,
        latency=latency,
        memory=Memory(peak_rss_mib=58.3, base_peak_rss_mib=61.9),
        load_ms=21.4,
        int8_ops_share=0.998,
        alternatives=(Alternative(precision="fp32", drop=0.0, speedup=1.0, size_bytes=1_090_112, note="the base"),),
        checks=(
            Check(quantity="accuracy", budget=1.0, value=0.43, unit="points", verdict="pass"),
            Check(quantity="latency", budget=2.0, value=0.95, unit="ms", verdict="pass"),
            Check(quantity="size", budget=0.5, value=301_120 / (1 << 20), unit="MiB", verdict="pass"),
        ),
        verdict="pass",
        binding="size",
    )


def missing_it() -> TargetReport:
    """What was tried did not help enough."""
    accuracy = Accuracy(
        metric="top1",
        better="higher",
        base=92.6,
        value=90.9,
        drop=1.7,
        drop_lower_95=1.24,
        drop_upper_95=2.18,
        samples=5000,
        churn=0.041,
        measured_with="openvino 2026.4.1 on this host",
    )
    latency = Latency(
        threads=1,
        base=P(p50_ms=1.7, p90_ms=1.81, samples=900),
        value=P(p50_ms=1.73, p90_ms=1.99, p90_upper_99_ms=2.04, samples=900),
        speedup=0.98,
        speedup_ci95=(0.94, 1.03),
        rounds=10,
    )
    return TargetReport(
        name="openvino-cpu",
        runtime="openvino",
        runtime_version="2026.4.1",
        precision="mixed",
        measured_on="host",
        artifact=artifact("artifacts/openvino-cpu", {"resnet20.xml": 65_210, "resnet20.bin": 279_040}),
        accuracy=accuracy,
        latency=latency,
        memory=Memory(peak_rss_mib=92.0),
        load_ms=88.1,
        int8_ops_share=0.81,
        remedies=(
            Remedy(use="quantize.static", note="ranges by min-max", drop=2.9, size_bytes=300_000, seconds=5.1),
            Remedy(use="quantize.static", note="ranges by entropy", drop=2.1, size_bytes=300_000, seconds=7.9),
            Remedy(use="float layers", note="conv1 and fc in float", drop=1.7, size_bytes=344_250, kept=True),
        ),
        alternatives=(
            Alternative(precision="int8", drop=2.1, speedup=1.31, size_bytes=300_000),
            Alternative(
                precision="bf16", drop=None, speedup=None, size_bytes=None, note="the processor lacks amx_bf16"
            ),
        ),
        checks=(
            Check(quantity="accuracy", budget=1.0, value=2.18, unit="points", verdict="fail", reason="at least 1.24"),
            Check(quantity="latency", budget=2.0, value=2.04, unit="ms", verdict="inconclusive", reason="p90 is 1.99"),
            Check(quantity="size", budget=0.5, value=344_250 / (1 << 20), unit="MiB", verdict="pass"),
        ),
        verdict="fail",
        binding="accuracy",
        reasons=("at least 1.24", "p90 is 1.99", "int8 is not faster here: 0.98x of float, and the interval holds 1"),
        missing={"latency.speedup_vs_onnxruntime_float": "onnxruntime was not measured beside it"},
    )


def untold() -> TargetReport:
    """Another processor: accuracy on this host's runtime of the family, no latency."""
    accuracy = Accuracy(
        metric="top1",
        better="higher",
        base=92.6,
        value=92.1,
        drop=0.5,
        drop_lower_95=-0.2,
        drop_upper_95=1.21,
        samples=1000,
        measured_with="onnxruntime 1.32.0 on this host, which is x86_64",
        samples_needed=4300,
    )
    return TargetReport(
        name="onnxruntime-arm",
        runtime="onnxruntime",
        runtime_version="1.32.0",
        precision="int8",
        measured_on="host",
        artifact=artifact("artifacts/onnxruntime-arm", {"resnet20.onnx": 301_500}),
        accuracy=accuracy,
        latency=None,
        memory=None,
        load_ms=None,
        int8_ops_share=None,
        checks=(
            Check(
                quantity="accuracy",
                budget=1.0,
                value=1.21,
                unit="points",
                verdict="inconclusive",
                reason="4300 samples could tell",
            ),
            Check(quantity="latency", budget=2.0, value=None, unit="ms", verdict="missing", reason=NO_ARM),
            Check(quantity="size", budget=0.5, value=301_500 / (1 << 20), unit="MiB", verdict="pass"),
        ),
        verdict="inconclusive",
        binding="accuracy",
        missing={"latency": NO_ARM, "memory": NO_ARM, "load_ms": NO_ARM, "int8_ops_share": NO_ARM},
    )


def artifact(folder: str, sizes: dict[str, int]) -> ArtifactRecord:
    """An artifact of files with these sizes."""
    files = tuple(FileEntry(path=f"{folder}/{name}", sha256="e" * 64, size_bytes=size) for name, size in sizes.items())
    return ArtifactRecord(path=files[0].path, files=files, sha256="f" * 64, size_bytes=sum(sizes.values()))


def pages() -> dict[str, str]:
    """File name -> text."""
    report = example_report()
    return {
        "report.json": report.to_json(),
        "report.md": markdown_from_report(report),
        "report.junit.xml": junit_from_report(report),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
