"""``edgekit list``: the names that a recipe and the flags may use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import options
from edgekit.errors import RecipeError

if TYPE_CHECKING:
    from edgekit.catalog import Profile

_KINDS = ("targets", "cards", "devices", "steps")


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@options.voice
def command(*, kind: str, as_json: bool, quiet: bool, verbose: bool) -> int:  # noqa: ARG001 - -v says no more here
    """List targets, cards, devices or steps; a profile of your own that hides a shipped one is marked."""
    rows = _ROWS[kind]()
    if as_json:
        click.echo(json.dumps({"schema": "edgekit.list/1", kind: rows}, indent=2))
    elif not quiet:
        # Imports stand inside the verbs, so that --help imports nothing heavy.
        from edgekit.cli.console import stdout  # noqa: PLC0415 - loads when called
        from edgekit.cli.render import table  # noqa: PLC0415 - loads when called

        stdout().print(table(list(rows[0]), [list(row.values()) for row in rows]) if rows else "none")
    return 0


def _targets() -> list[dict[str, str]]:
    from edgekit import catalog  # noqa: PLC0415 - loads when called
    from edgekit.profiles import Target  # noqa: PLC0415 - loads when called
    from edgekit.reading import read_toml  # noqa: PLC0415 - loads when called

    def about(path: Path) -> dict[str, str]:
        target = read_toml(path, Target, what="target")
        return {"runs": f"{target.runtime} {target.precision}", "on": target.place}

    return [_row(each, about, ("runs", "on")) for each in catalog.profiles("targets", Path())]


def _cards() -> list[dict[str, str]]:
    from edgekit import catalog  # noqa: PLC0415 - loads when called
    from edgekit.card import read_card  # noqa: PLC0415 - loads when called

    def about(path: Path) -> dict[str, str]:
        card = read_card(path)
        return {"task": card.task, "licence": card.licence}

    return [_row(each, about, ("task", "licence")) for each in catalog.profiles("calibration", Path())]


def _row(profile: "Profile", about: Callable[[Path], dict[str, str]], keys: tuple[str, str]) -> dict[str, str]:
    """A profile's row; a file that holds mistakes is listed with the first of them."""
    try:
        facts = about(profile.path)
    except RecipeError as error:
        facts = {keys[0]: "", keys[1]: error.mistakes[0]}
    return {"name": profile.name, **facts, "from": _origin(profile)}


def _devices() -> list[dict[str, str]]:
    from edgekit import catalog  # noqa: PLC0415 - loads when called
    from edgekit.runner.host import read_host  # noqa: PLC0415 - loads when called

    host = read_host()
    own = {
        "name": "this-machine",
        "what": f"{host.machine}, {host.processor or 'processor not told'}",
        "from": "probed",
    }
    files = [{"name": e.name, "what": str(e.path), "from": _origin(e)} for e in catalog.profiles("devices", Path())]
    return [own, *files]


def _steps() -> list[dict[str, str]]:
    from edgekit import catalog  # noqa: PLC0415 - loads when called

    entries = [(name, catalog.entry("steps", name)) for name in catalog.names("steps")]
    return [{"name": name, "takes": e.takes, "gives": e.gives, "what": e.about} for name, e in entries]


def _origin(profile: "Profile") -> str:
    """Where a profile's file lies, and what it hides."""
    if profile.shipped:
        return "shipped"
    return f"{profile.path} (shadows {profile.shadows})" if profile.shadows else str(profile.path)


_ROWS: dict[str, Callable[[], list[dict[str, str]]]] = {
    "targets": _targets,
    "cards": _cards,
    "devices": _devices,
    "steps": _steps,
}
