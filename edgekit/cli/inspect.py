"""``edgekit inspect``: what is inside a model."""

import click

from edgekit.cli import options


@click.command("inspect")
@click.argument("model")
@options.voice
def command(*, model: str, as_json: bool, quiet: bool, verbose: bool) -> int:  # noqa: ARG001 - -v says no more here
    """Show the facts of MODEL (.onnx): inputs, outputs, operators, sizes, what is quantized."""
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit.cli.console import print_facts  # noqa: PLC0415 - loads when called
    from edgekit.cli.words import file_from_word  # noqa: PLC0415 - loads when called

    path = file_from_word(model)
    from edgekit.graph.describe import describe  # noqa: PLC0415 - loads when called

    print_facts("edgekit.inspect/1", describe(path), as_json=as_json, quiet=quiet)
    return 0
