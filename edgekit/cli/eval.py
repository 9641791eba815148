"""``edgekit eval``: the card's metric of one artifact on its runtime."""

import click

from edgekit.cli import options


@click.command("eval")
@click.argument("artifact")
@options.card
@options.threads
@options.voice
def command(*, artifact: str, card: str | None, threads: int | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Measure a card's metric on ARTIFACT (.onnx, or .xml of OpenVINO), in points."""
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit.cli import words  # noqa: PLC0415 - loads when called

    source = words.file_from_word(artifact)
    data = words.card_from_word(card, artifact)
    from edgekit import build  # noqa: PLC0415 - loads when called
    from edgekit.cli.console import Voice, print_facts  # noqa: PLC0415 - loads when called

    with Voice(quiet, verbose).progress() as bars:
        found = build.eval_alone(source, data, threads=threads or 1, progress=bars.advance)
    print_facts("edgekit.eval/1", {"artifact": artifact, "card": data.name, **found}, as_json=as_json, quiet=quiet)
    return 0
