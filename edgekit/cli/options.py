"""The options that verbs share, said once: the same word means the same thing everywhere."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

card = click.option("-d", "--data", "card", metavar="CARD", help="Data card: a name or a .toml file.")
target = click.option("-t", "--target", metavar="TARGET", help="Target: a name or a .toml file.")
targets = click.option(
    "-t",
    "--target",
    "targets",
    metavar="TARGET",
    multiple=True,
    help="Target: a name or a .toml file; may be given often.",
)
threads = click.option("--threads", type=click.IntRange(1, 1024), help="Threads that the runtime gets (default 1).")
device = click.option("--device", metavar="DEVICE", help="Where budgets are judged (default this-machine).")
settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Any other key of the recipe or step; may be given often.",
)


def output(help_text: str) -> Callable[[Function], Function]:
    """``-o``, with what it names."""
    return click.option("-o", "--output", metavar="PATH", type=click.Path(), help=help_text)


def voice(function: Function) -> Function:
    """``-v``, ``-q`` and ``--json``: how much is said, and to whom."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
        click.option("-v", "--verbose", is_flag=True, help="Say each step as it is done."),
    ):
        function = decorate(function)
    return function
