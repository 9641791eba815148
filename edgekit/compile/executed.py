"""Runtime operators -> the nodes of the graph that they grew from, and the share of the work that ran on integers.

Runtimes keep a node's name and add to it. ONNX Runtime: ``conv1_token_7`` (another layout), ``fc/MatMulAddFusion``.
OpenVINO: all that was fused, by commas, ``conv1,12,15``; ``fc_original`` where the result was renamed. A node that no
integer operator names did not run on integers.
"""

import re
from collections.abc import Iterable, Mapping

from edgekit.runner.runtimes.base import Executed

_ADDED = re.compile(r"(_token_\d+|/MatMulAddFusion|/WithoutBiases|/Dequantization\w+|_original)+$")
_LEAST_SHARE = 0.005
_MOST_FINDINGS = 10


def precisions_of(nodes: Iterable[str], executed: Iterable[Executed]) -> dict[str, str]:
    """Return node name -> the precision that it ran in; ``int8`` wins where several operators name a node.

    Nodes that no operator names are left out.
    """
    wanted = set(nodes)
    found: dict[str, str] = {}
    for operator in executed:
        for part in (operator.name, *operator.name.split(",")):
            name = part if part in wanted else _ADDED.sub("", part)
            if name in wanted and found.get(name) != "int8":
                found[name] = operator.precision
    return found


def int8_share(macs: Mapping[str, int], precisions: Mapping[str, str]) -> float | None:
    """Return the multiply-accumulates that ran in int8, as a share of all; None where there are none."""
    total = sum(macs.values())
    if not total:
        return None
    return sum(count for name, count in macs.items() if precisions.get(name) == "int8") / total


def float_findings(macs: Mapping[str, int], integer: Iterable[str], precisions: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each node that holds integer weights and did not run on integers, the largest first.

    Args:
        macs: of :func:`~edgekit.graph.macs.count_macs`.
        integer: names of the nodes whose data and weights the graph gives as integers.
        precisions: of :func:`precisions_of`.
    """
    total = sum(macs.values()) or 1
    slow = sorted((name for name in integer if precisions.get(name) != "int8"), key=lambda name: -macs.get(name, 0))
    told = [
        f"{name} ran in {precisions.get(name, 'float')} although its weights are integers: "
        f"{100 * macs.get(name, 0) / total:.1f} % of the multiply-accumulates"
        for name in slow
        if macs.get(name, 0) / total >= _LEAST_SHARE
    ]
    return tuple(told[:_MOST_FINDINGS])
