"""The ONNX model in memory and its edits."""

from edgekit.graph.lean import defer

defer()  # before any file of ours imports onnx-ir
