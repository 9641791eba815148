"""The XML of an OpenVINO IR without what its reader works out by itself.

Reading an IR, OpenVINO infers every shape anew from the operators, so the dimensions on inner ports say nothing; nor do
names of inner tensors, notes (``rt_info``) and indentation. Precisions of output ports are asked for by the reader.
Inputs and outputs of the model keep their shapes and names.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

_PORTS = ("Parameter", "Result")


def write_slim_xml(source: Path, destination: Path, outputs: Sequence[str]) -> None:
    """Rewrite an IR's XML that OpenVINO has just written; the .bin stays as it is.

    Args:
        source: as ``openvino.save_model`` wrote it.
        destination: replaced as a whole.
        outputs: names of the model's outputs, to be kept.
    """
    net = ET.parse(source).getroot()  # noqa: S314 - the file is ours, written a moment ago
    _drop_notes(net)
    for layer in net.iter("layer"):
        if layer.get("type") in _PORTS:
            continue
        for port in layer.iter("port"):
            for dimension in list(port):
                port.remove(dimension)
        for port in layer.findall("input/port"):
            port.attrib.pop("precision", None)
        for port in layer.findall("output/port"):
            _keep_names(port, outputs)
    for element in net.iter():
        element.text, element.tail = (element.text or "").strip() or None, None
    draft = destination.with_suffix(".partial")
    ET.ElementTree(net).write(draft, encoding="utf-8", xml_declaration=True)
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.replace(destination)


def _drop_notes(net: ET.Element) -> None:
    for element in net.iter():
        for notes in element.findall("rt_info"):
            element.remove(notes)


def _keep_names(port: ET.Element, outputs: Sequence[str]) -> None:
    """Keep of a port's names (escaped and joined by commas) those of the model's outputs."""
    names = port.attrib.pop("names", "")
    kept = [name for name in outputs if name.replace(",", "\\,") in _split(names)]
    if kept:
        port.set("names", ",".join(name.replace(",", "\\,") for name in kept))


def _split(names: str) -> list[str]:
    """Split at commas that no backslash stands before."""
    parts = [""]
    for index, letter in enumerate(names):
        if letter == "," and not (index and names[index - 1] == "\\"):
            parts.append("")
        else:
            parts[-1] += letter
    return parts
