"""Models of other frameworks become ONNX, and both are proven to agree."""
