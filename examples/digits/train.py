"""Make the example: data from scikit-learn, a small residual network trained on it with torch, and the ONNX file.

    python examples/digits/train.py            # needs scikit-learn, torch and onnx: edgekit[dev,torch]

Written: ``digits.onnx`` beside this file and ``calibration/digits/digits.npz``. The data comes out byte for byte the
same everywhere; the weights do on one machine and version of torch, and elsewhere the accuracy agrees within a point.

The 1,797 pictures of 8 x 8 pixels (0 to 16) are the test part of the UCI optical digits. Every third is held out for
evaluation (599), the rest trains (1,198); the first 400 of those are what quantization is calibrated on.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "calibration" / "digits" / "digits.npz"
SEED, EPOCHS, BATCH, WIDTH = 3, 60, 32, 40
CALIBRATION = 400

Arrays = dict[str, np.ndarray]


def split() -> Arrays:
    """Held-out third and training part: uint8 (samples, 8, 8) pictures and uint8 labels."""
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    held = np.arange(len(images)) % 3 == 2
    return {
        "evaluation_images": images[held],
        "evaluation_labels": labels[held],
        "training_images": images[~held],
        "training_labels": labels[~held],
    }


def write_data(path: Path) -> None:
    """Write the part that ships: evaluation, and some training pictures for calibration."""
    parts = split()
    arrays = {name: parts[name] for name in ("evaluation_images", "evaluation_labels")}
    arrays["calibration_images"] = parts["training_images"][:CALIBRATION]
    arrays["calibration_labels"] = parts["training_labels"][:CALIBRATION]
    np.savez_compressed(path, **arrays)


class Digits(nn.Module):
    """Convolution, a residual block, a wider convolution, average pool, linear: (batch, 1, 8, 8) to 10 logits."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        widths = ((1, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH))
        self.convolutions = nn.ModuleList(nn.Conv2d(*each, 3, padding=1, bias=False) for each in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _, width in widths)
        self.linear = nn.Linear(WIDTH, 10)

    def layer(self, index: int, x: Tensor) -> Tensor:
        """Return one convolution with its normalisation."""
        result: Tensor = self.norms[index](self.convolutions[index](x))
        return result

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, 10)."""
        x = self.layer(0, x).relu()
        x = (x + self.layer(2, self.layer(1, x).relu())).relu()
        x = self.layer(3, x).relu()
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def train(images: np.ndarray, labels: np.ndarray) -> Digits:
    """Train on pictures that are moved by up to a pixel, cosine learning rate, smoothed labels."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    network = Digits().train()
    pictures = torch.from_numpy(images).float()[:, None] / 16
    targets = torch.from_numpy(labels).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    judge = nn.CrossEntropyLoss(label_smoothing=0.05)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(pictures)).split(BATCH):
            padded = nn.functional.pad(pictures[chosen], (1, 1, 1, 1))
            down, right = torch.randint(0, 3, (2,)).tolist()
            loss = judge(network(padded[:, :, down : down + 8, right : right + 8]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return network.eval()


def onnx_from(network: Digits) -> onnx.ModelProto:
    """Write the network as opset 17 by hand: every node and name is ours, so the same weights give the same bytes."""
    weights: Arrays = {}

    def keep(name: str, value: Tensor) -> str:
        weights[name] = value.detach().numpy()
        return name

    def layer(index: int, x: str) -> str:
        weight = keep(f"conv{index}.weight", network.convolutions[index].weight)
        norm = network.norms[index]
        statistics = [
            keep(f"norm{index}.{name}", getattr(norm, name))
            for name in ("weight", "bias", "running_mean", "running_var")
        ]
        nodes.append(helper.make_node("Conv", [x, weight], [f"conv{index}"], f"conv{index}", pads=[1, 1, 1, 1]))
        nodes.append(
            helper.make_node(
                "BatchNormalization", [f"conv{index}", *statistics], [f"norm{index}"], f"norm{index}", epsilon=norm.eps
            )
        )
        return f"norm{index}"

    def node(kind: str, inputs: list[str], name: str, **attributes: int) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    nodes: list[onnx.NodeProto] = []
    stem = node("Relu", [layer(0, "image")], "relu0")
    inner = node("Relu", [layer(1, stem)], "relu1")
    x = node("Relu", [node("Add", [stem, layer(2, inner)], "add")], "relu2")
    x = node("Relu", [layer(3, x)], "relu3")
    x = node("Flatten", [node("GlobalAveragePool", [x], "pool")], "flat")
    linear = [keep("linear.weight", network.linear.weight), keep("linear.bias", network.linear.bias)]
    node("Gemm", [x, *linear], "logits", transB=1)
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="digits")
    onnx.checker.check_model(model, full_check=True)
    return model


def accuracy(network: Digits, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers in per cent."""
    with torch.no_grad():
        answers = network(torch.from_numpy(images).float()[:, None] / 16).argmax(1).numpy()
    return float(100 * (answers == labels).mean())


def main() -> None:
    """Write both files and say how good the network is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="where the data goes")
    parser.add_argument("--model", type=Path, default=HERE / "digits.onnx", help="where the model goes")
    words = parser.parse_args()
    write_data(words.data)
    parts = split()
    network = train(parts["training_images"], parts["training_labels"])
    onnx.save(onnx_from(network), words.model)
    held = accuracy(network, parts["evaluation_images"], parts["evaluation_labels"])
    print(f"{words.model}: {words.model.stat().st_size} bytes, {held:.2f} % of the held-out third right")


if __name__ == "__main__":
    main()
