"""Names and where they live: steps, compilers, runtimes and metrics as "module:name", profiles as TOML files.

Rules: nothing is imported before it is used; an outside package adds members by entry points (``edgekit.steps``,
``edgekit.compilers``, ``edgekit.runtimes``, ``edgekit.metrics``), which ``EDGEKIT_NO_PLUGINS=1`` switches off (an
environment variable, so that fresh processes obey it too) and which never replace a built-in; a profile's name is
looked for in the project's folder first, then in what is shipped; an unknown name is answered with what there is.

>>> find_profile("targets", "openvino-cpu", Path()).name
'openvino-cpu.toml'
"""

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edgekit.errors import RecipeError
from edgekit.profiles import Target
from edgekit.reading import closest, read_toml

Kind = Literal["steps", "compilers", "runtimes", "metrics"]
ProfileKind = Literal["targets", "devices", "calibration"]

NO_PLUGINS = "EDGEKIT_NO_PLUGINS"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOUN_OF_KIND: Mapping[ProfileKind, str] = {"targets": "target", "devices": "device", "calibration": "data card"}


@dataclass(frozen=True)
class Entry:
    """Where a member lives, and for a step which kind of model it takes and gives."""

    where: str
    takes: str = "onnx"
    gives: str = "onnx"
    about: str = ""


_BUILT_IN: Mapping[Kind, Mapping[str, Entry]] = MappingProxyType(
    {
        "steps": {
            "quantize.static": Entry(
                "edgekit.quantize.static:StaticQuantization", about="int8 weights and activations, ranges from samples"
            ),
            "quantize.dynamic": Entry(
                "edgekit.quantize.dynamic:DynamicQuantization", about="int8 weights; activations quantized at run time"
            ),
        },
        "compilers": {
            "onnxruntime": Entry("edgekit.compile.onnxruntime:compile_model"),
            "openvino": Entry("edgekit.compile.openvino:compile_model"),
        },
        "runtimes": {
            "onnxruntime": Entry("edgekit.runner.runtimes.onnxruntime:open_model"),
            "openvino": Entry("edgekit.runner.runtimes.openvino:open_model"),
        },
        "metrics": {},
    }
)


def names(kind: Kind) -> list[str]:
    """Every name of a kind, built-in and from plug-ins, sorted."""
    return sorted({*_BUILT_IN[kind], *_plugins(kind)})


def entry(kind: Kind, name: str) -> Entry:
    """Return where a name lives, without importing it.

    Raises:
        RecipeError: nothing has that name.
    """
    found = _BUILT_IN[kind].get(name) or _plugins(kind).get(name)
    if found is None:
        word = kind.removesuffix("s")
        hint = "edgekit list steps shows what there is" if kind == "steps" else "edgekit doctor shows what is here"
        raise RecipeError(_unknown(word, name, names(kind)), hint=hint)
    return found


def look_up(kind: Kind, name: str) -> Any:
    """Import the member of that name and return it.

    Raises:
        RecipeError: nothing has that name.
        MissingExtra: it needs a package that is not installed.
    """
    module, _, attribute = entry(kind, name).where.partition(":")
    return getattr(importlib.import_module(module), attribute)


def plugin_names() -> dict[Kind, list[str]]:
    """What outside packages add, for ``doctor``."""
    return {kind: sorted(_plugins(kind)) for kind in _BUILT_IN}


def _plugins(kind: Kind) -> Mapping[str, Entry]:
    return {} if os.environ.get(NO_PLUGINS, "") not in {"", "0"} else _installed_plugins(kind)


@cache
def _installed_plugins(kind: Kind) -> Mapping[str, Entry]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 40 ms that only a look-up pays

    found = entry_points(group=f"edgekit.{kind}")
    return {each.name: Entry(each.value, about=f"plug-in {each.value}") for each in found}


def shipped_folder(kind: ProfileKind) -> Path:
    """The folder of shipped profiles: inside the wheel, else beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    in_wheel = package / "shipped"
    return (in_wheel if in_wheel.is_dir() else package.parent) / kind


@dataclass(frozen=True)
class Profile:
    """A profile file that a name may mean; ``shadows`` is the shipped file of the same name that it hides."""

    name: str
    path: Path
    shipped: bool
    shadows: Path | None = None


def profiles(kind: ProfileKind, folder: Path) -> list[Profile]:
    """Every profile of a kind that is visible from ``folder``, by name; what is shadowed is marked, not listed."""
    shipped = _toml_files(shipped_folder(kind))
    own = {} if _same(folder / kind, shipped_folder(kind)) else _toml_files(folder / kind)
    found = [Profile(name, path, shipped=False, shadows=shipped.get(name)) for name, path in own.items()]
    found += [Profile(name, path, shipped=True) for name, path in shipped.items() if name not in own]
    return sorted(found, key=lambda each: each.name)


def find_profile(kind: ProfileKind, name: str, folder: Path) -> Path:
    """Return the file that a name, or a path ending in ``.toml``, means.

    Args:
        kind: which folder to look in.
        name: ``openvino-cpu``, or a path relative to ``folder``, which must then exist.
        folder: the recipe's folder, else the working directory: its own ``targets/`` etc. come first.

    Raises:
        RecipeError: nothing has that name; the visible names are listed.
    """
    if name.endswith(".toml") or "/" in name or os.sep in name:
        return folder / name
    if _PLAIN_NAME.fullmatch(name):
        found = {each.name: each.path for each in profiles(kind, folder)}
        if name in found:
            return found[name]
    noun = _NOUN_OF_KIND[kind]
    listed = "cards" if kind == "calibration" else kind
    hint = f"edgekit list {listed} shows what there is; a file of your own is named by its path, ending in .toml"
    raise RecipeError(_unknown(noun, name, [each.name for each in profiles(kind, folder)]), hint=hint)


def load_target(name: str, folder: Path) -> Target:
    """Read the target that a name or path means.

    Raises:
        RecipeError: nothing has that name, or its file holds mistakes.
    """
    return read_toml(find_profile("targets", name, folder), Target, what="target")


def _toml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))} if folder.is_dir() else {}


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _unknown(noun: str, name: str, allowed: list[str]) -> str:
    listed = f"; allowed: {', '.join(allowed)}" if allowed else "; there are none"
    guess = closest(name, allowed)
    return f"unknown {noun} {name!r}{listed}" + (f";{guess}" if guess else "")
