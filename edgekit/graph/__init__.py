"""The ONNX model in memory and its edits."""
