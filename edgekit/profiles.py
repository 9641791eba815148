"""Target: what can be compiled for, as data. A profile has no conditionals; the code reads it and obeys.

Look-up of a name: ``targets/`` in the recipe's folder (else the working directory), then what is shipped.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ActivationType = Literal["uint8", "int8"]
Precision = Literal["int8", "fp32", "fp16", "bf16"]


class Frozen(BaseModel):
    """A noun read from a file: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Scheme(Frozen):
    """How numbers become integers for one target; see docs/design.md section 4."""

    activation: ActivationType = Field(description="integer type of activations")
    activation_symmetric: bool = Field(False, description="one zero point (0, or 128 for uint8) for all activations")
    weight_bits: int = Field(8, ge=2, le=8, description="bits used of an int8 weight: 7 where u8 x s8 pairs saturate")
    per_channel: bool = Field(True, description="one weight scale for each output channel")
    bias: Literal["int32", "float"] = Field("int32", description="integer or float biases")
    operators: tuple[str, ...] = Field(description="ONNX operators that run on integers")
    shared: tuple[str, ...] = Field((), description="operators that hand numbers through: output scale = input scale")
    fused: tuple[str, ...] = Field((), description="activations that melt into the operator before them")
    float_output: tuple[str, ...] = Field((), description="operators that may leave their result in float at the tail")
    dynamic_matmul: bool = Field(False, description="encoders: weights int8, activations quantized at run time")


class Lanes(Frozen):
    """Channel counts that a runtime's fastest integer convolutions take; others run two to five times slower."""

    inputs: int = Field(1, ge=1, description="input channels of a dense convolution: a multiple of this")
    outputs: int = Field(1, ge=1, description="output channels of a dense convolution: a multiple of this")
    outputs_least: int = Field(1, ge=1, description="and at least this")
    depthwise: int = Field(1, ge=1, description="channels of a depthwise convolution: a multiple of this")


class Target(Frozen):
    """A runtime in a place: what it runs on, in which numbers, and what it can read."""

    name: str
    runtime: Literal["onnxruntime", "openvino"]
    place: str = Field(description="the processor, in words")
    arch: tuple[str, ...] = Field((), description="machine names as in platform.machine(); empty: any")
    isa: tuple[str, ...] = Field((), description="processor flags that the figures need, such as avx512_vnni")
    device: str = Field("CPU", description="the runtime's own device name")
    precision: Precision = "int8"
    opset_max: int = Field(23, ge=7)
    ir_max: int = Field(13, ge=3)
    runtime_min: str = Field("", description="oldest runtime version that reads the artifact")
    options: dict[str, str] = Field(default_factory=dict, description="runtime options, recorded in the artifact")
    scheme: Scheme | None = Field(None, description="how to quantize; none for float targets")
    lanes: Lanes | None = Field(None, description="channels that compile pads with zeros; none: no padding")
