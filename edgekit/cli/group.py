"""The verbs, each in a module of its own that is imported when the verb is called.

The table below is the whole of ``edgekit --help``: a verb that is not built yet is not in it.
"""

import difflib
import importlib
import os
from collections.abc import Iterable

import click

from edgekit import __version__

VERBS = {
    "init": "Make a project folder that builds as it stands.",
    "build": "Model, data and targets in; artifacts, report and verdict out.",
    "quantize": "One step alone: an int8 model that holds against float.",
    "compile": "One step alone: what a target's runtime loads.",
    "eval": "The data card's metric of an artifact.",
    "inspect": "What is inside a model.",
    "list": "Targets, cards, devices and steps that can be named.",
    "doctor": "What this machine has and lacks.",
}


def near(word: str, allowed: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` or nothing (as reading.closest, which would import pydantic here)."""
    found = difflib.get_close_matches(word, list(allowed), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


class LazyVerbs(click.Group):
    """A group whose commands live in ``edgekit.cli.<verb>``, each as ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the verbs in the order of work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import the verb's module."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"edgekit.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one may have been meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"no such verb {args[0]!r}; verbs: {', '.join(VERBS)}{near(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """Write the table of verbs without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.version_option(__version__, message="edgekit %(version)s")
@click.option("--no-plugins", is_flag=True, help="Ignore steps, compilers, runtimes and metrics of other packages.")
def edgekit(*, no_plugins: bool) -> None:
    """From a trained model to a small, fast artifact that is proven good enough on its target.

    \b
    Exit codes: 0 pass or done, 1 a budget is missed, 2 wrong words or files,
    3 inconclusive, 4 a runtime is missing or nothing could be measured,
    5 integrity, 6 a step failed, 70 a bug, 130 interrupted.
    """  # noqa: D301 - \b keeps Click from re-wrapping
    if no_plugins:
        os.environ["EDGEKIT_NO_PLUGINS"] = "1"  # catalog.NO_PLUGINS; the environment reaches fresh processes too
