from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edgekit.compile.openvino_xml import write_slim_xml

SOURCE = """<?xml version="1.0"?>
<net name="a net" version="11">
\t<layers>
\t\t<layer id="0" name="input" type="Parameter" version="opset1">
\t\t\t<data shape="?,3" element_type="f32" />
\t\t\t<output>
\t\t\t\t<port id="0" precision="FP32" names="input">
\t\t\t\t\t<dim>-1</dim>
\t\t\t\t\t<dim>3</dim>
\t\t\t\t</port>
\t\t\t</output>
\t\t</layer>
\t\t<layer id="1" name="1" type="ReLU" version="opset1">
\t\t\t<rt_info><attribute name="fused_names_0" version="0" value="relu" /></rt_info>
\t\t\t<input>
\t\t\t\t<port id="0" precision="FP32">
\t\t\t\t\t<dim>-1</dim>
\t\t\t\t\t<dim>3</dim>
\t\t\t\t</port>
\t\t\t</input>
\t\t\t<output>
\t\t\t\t<port id="1" precision="FP32" names="inner,a\\,b">
\t\t\t\t\t<dim>-1</dim>
\t\t\t\t\t<dim>3</dim>
\t\t\t\t</port>
\t\t\t</output>
\t\t</layer>
\t</layers>
\t<edges>
\t\t<edge from-layer="0" from-port="0" to-layer="1" to-port="0" />
\t</edges>
\t<rt_info>
\t\t<conversion_parameters><input_model value="/home/somebody/model.onnx" /></conversion_parameters>
\t</rt_info>
</net>
"""


@pytest.fixture
def slim(tmp_path: Path) -> str:
    source, destination = tmp_path / "fat.xml", tmp_path / "slim.xml"
    source.write_text(SOURCE)
    write_slim_xml(source, destination, ["a,b"])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fat.xml", "slim.xml"]
    return destination.read_text()


def test_what_the_reader_works_out_itself_is_gone(slim: str) -> None:
    relu = ET.fromstring(slim).find("layers/layer[@id='1']")  # noqa: S314 - written by the test

    assert relu is not None
    assert relu.find("rt_info") is None
    assert [port.attrib for port in relu.iter("port")] == [
        {"id": "0"},
        {"id": "1", "precision": "FP32", "names": "a\\,b"},
    ]
    assert not list(relu.iter("dim"))


def test_the_ports_of_the_model_stay_whole(slim: str) -> None:
    parameter = ET.fromstring(slim).find("layers/layer[@id='0']")  # noqa: S314 - written by the test

    assert parameter is not None
    assert [each.text for each in parameter.iter("dim")] == ["-1", "3"]
    assert parameter.find("output/port[@names='input']") is not None


def test_no_indentation_no_paths_and_the_edges(slim: str) -> None:
    assert "\t" not in slim
    assert "somebody" not in slim
    assert '<edge from-layer="0" from-port="0" to-layer="1" to-port="0" />' in slim
    assert len(slim) < 0.6 * len(SOURCE)
