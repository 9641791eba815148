"""The main job: a recipe in, a report out; the only place that knows the order of the steps."""

import edgekit.graph  # noqa: F401 - first, since it defers what onnx-ir would import
from edgekit.build.alone import compile_alone, eval_alone, quantize_alone
from edgekit.build.run import plan, run

__all__ = ["compile_alone", "eval_alone", "plan", "quantize_alone", "run"]
