"""``edgekit doctor``: what this machine has and lacks."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.doctor import Examination


@click.command("doctor")
@click.argument("runtime", required=False)
@options.voice
def command(*, runtime: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Say what this machine has and lacks; with RUNTIME, whether that one is installed (exit code 4 if not)."""
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit import catalog, doctor  # noqa: PLC0415 - loads when called
    from edgekit.errors import missing  # noqa: PLC0415 - loads when called

    if runtime is not None:
        catalog.entry("runtimes", runtime)
        package = doctor.RUNTIMES.get(runtime, runtime)
        version = doctor.version_of(package)
        if version is None:
            raise missing(package, runtime)
        click.echo(json.dumps({"schema": "edgekit.doctor/1", runtime: version}) if as_json else f"{runtime} {version}")
        return 0
    found = doctor.examine(Path())
    if as_json:
        click.echo(json.dumps({"schema": "edgekit.doctor/1", **_plain(found)}, indent=2))
    elif not quiet:
        _print(found, every_flag=verbose)
    return 0


def _plain(found: "Examination") -> dict[str, object]:
    plain = dataclasses.asdict(found)
    plain["host"]["flags"] = sorted(found.host.flags)
    return plain


def _print(found: "Examination", *, every_flag: bool) -> None:
    from edgekit.cli.console import stdout  # noqa: PLC0415 - loads when called
    from edgekit.cli.render import table  # noqa: PLC0415 - loads when called
    from edgekit.present.figures import mib  # noqa: PLC0415 - loads when called

    host, console = found.host, stdout()
    flags = sorted(host.flags) if every_flag else found.flags
    facts = {
        "edgekit": found.edgekit,
        "python": f"{found.python} ({found.executable})",
        "system": f"{host.system}, {host.machine}",
        "processor": f"{host.processor or 'not told'}, {host.cores} cores for this process",
        "features": ", ".join(flags) or "none that matter here",
        "governor": host.governor or "none (a virtual machine, or not Linux)",
        "memory": f"{mib(host.memory_mib)}, {mib(host.available_mib)} available",
        "disk": f"{mib(found.disk_free_mib)} free here",
        "load": "not told" if host.load_1min is None else f"{host.load_1min:.2f} over the last minute",
        **{name: version or "not installed" for name, version in found.runtimes.items()},
        "plug-ins": ", ".join(f"{kind}: {', '.join(names)}" for kind, names in found.plugins.items() if names)
        or "none",
    }
    width = max(map(len, facts))
    click.echo("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))
    rows = [
        [
            e.name,
            ", ".join(f"{k} {v}" for k, v in e.present.items()),
            ", ".join(e.missing),
            e.install if e.missing else "",
        ]
        for e in found.extras
    ]
    console.print(table(["extra", "installed", "missing", "brought by"], rows))
    states = [[each.name, each.runtime, each.precision, each.why_not or "yes"] for each in found.targets]
    console.print(table(["target", "runtime", "numbers", "runs here"], states))
