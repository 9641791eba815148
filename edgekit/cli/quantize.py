"""``edgekit quantize``: one step alone, from a model to an int8 model that holds against float."""

import click

from edgekit.cli import options
from edgekit.errors import RecipeError


@click.command("quantize")
@click.argument("model")
@options.card
@options.target
@options.output("The file to write (.onnx).")
@click.option("--use", metavar="STEP", help="Which step: static or dynamic (default: static).")
@options.settings
@options.threads
@options.voice
def command(
    *,
    model: str,
    card: str | None,
    target: str | None,
    output: str | None,
    use: str | None,
    settings: tuple[str, ...],
    threads: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Quantize MODEL (.onnx) on a card's samples and put layers back to float until it holds.

    With nothing sensible to quantize the prepared float model is written, and one line says why.
    """
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit.cli import words  # noqa: PLC0415 - loads when called

    source = words.file_from_word(model)
    data = words.card_from_word(card, model)
    chosen = words.target_from_word(target)
    step = words.step_from_flags(use, settings)
    out = words.output_from_word(output, f"-o {source.stem}.int8.onnx")
    if out.suffix != ".onnx" or out.is_dir():
        raise RecipeError(f"{out}: the output of quantize is a file that ends in .onnx", hint="-o FILE.onnx")
    from edgekit import build  # noqa: PLC0415 - loads when called
    from edgekit.cli.console import Voice, print_facts  # noqa: PLC0415 - loads when called

    voice = Voice(quiet, verbose)
    with voice.progress() as bars:
        outcome = build.quantize_alone(
            source, data, chosen, out, step=step, threads=threads or 1, progress=bars.advance
        )
    if why := outcome.facts.get("why_float"):
        voice.say(f"float kept: {why}")
    facts = {"path": str(out), "size_bytes": outcome.model.size_bytes, "sha256": outcome.model.sha256}
    print_facts("edgekit.quantize/1", {"target": chosen.name, **facts, **outcome.facts}, as_json=as_json, quiet=quiet)
    return 0
