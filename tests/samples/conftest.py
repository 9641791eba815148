"""Cards made in code, and the ports that they are opened for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.card import DataCard
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import Samples, open_samples

Open = Callable[..., Samples]


@pytest.fixture
def open_card(tmp_path: Path) -> Open:
    """Open a card in tmp_path: ``open_card(source, *ports, task=..., ...)``."""

    def opened(source: dict[str, Any], *ports: Port, **words: Any) -> Samples:
        data = {"name": "a", "task": "agreement", "licence": "CC0", "source": source, **words}
        return open_samples(DataCard.model_validate(data).within(tmp_path), ports)

    return opened
