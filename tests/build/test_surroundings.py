import json

import pytest

from edgekit.build import surroundings


def test_packages_are_told_by_version_and_absent_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "PACKAGES", ("numpy", "no-such-package"))
    assert list(surroundings.package_versions()) == ["numpy"]


def test_description_is_plain_data() -> None:
    told = surroundings.describe_surroundings()
    assert json.loads(json.dumps(told)) == told
    assert {"edgekit", "python", "packages", "processor", "flags", "governor", "load_1min"} <= told.keys()


def test_digest_changes_with_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.tool_digest.cache_clear()
    before = surroundings.tool_digest()
    assert surroundings.tool_digest() == before
    monkeypatch.setattr(surroundings, "package_versions", lambda: {"onnxruntime": "0.1"})
    surroundings.tool_digest.cache_clear()
    assert surroundings.tool_digest() != before
    monkeypatch.undo()
    surroundings.tool_digest.cache_clear()
    assert surroundings.tool_digest() == before
