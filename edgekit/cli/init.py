"""``edgekit init``: a project folder to begin with."""

from pathlib import Path

import click

from edgekit.cli import options

_TASKS = ("image-classification", "classification", "agreement")  # as edgekit.init.TASKS, which loads numpy and onnx


@click.command("init")
@click.argument("folder", metavar="DIR")
@click.option("--task", type=click.Choice(_TASKS), help=f"What the example does (default {_TASKS[0]}).")
@click.option("--model", metavar="MODEL", help="Draft the data card from this model's inputs.")
@options.voice
def command(*, folder: str, task: str | None, model: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Make DIR with a recipe and a data card: an example that builds as it stands, or a draft for MODEL."""
    if task and model:
        raise click.UsageError("--task and --model exclude one another", click.get_current_context())
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit import init  # noqa: PLC0415 - loads when called
    from edgekit.cli.console import Voice, print_facts  # noqa: PLC0415 - loads when called
    from edgekit.cli.words import file_from_word  # noqa: PLC0415 - loads when called

    if model:
        written = init.init_for_model(Path(folder), file_from_word(model))
        then = f"fill in {written[0]}, then: edgekit build {folder}"
    else:
        written = init.init_example(Path(folder), task or _TASKS[0])
        then = f"then: edgekit build {folder}"
    print_facts("edgekit.init/1", {"files": [str(each) for each in written]}, as_json=as_json, quiet=quiet)
    Voice(quiet, verbose).say(then)
    return 0
