"""``edgekit compile``: one step alone, from an ONNX model to what a target's runtime loads."""

import click

from edgekit.cli import options
from edgekit.errors import RecipeError


@click.command("compile")
@click.argument("model")
@options.target
@options.output("The folder to write.")
@options.threads
@options.voice
def command(
    *,
    model: str,
    target: str | None,
    output: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Compile MODEL (.onnx, float or quantized) for a target, and check the result in a fresh process."""
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit.cli import words  # noqa: PLC0415 - loads when called

    source = words.file_from_word(model)
    chosen = words.target_from_word(target)
    out = words.output_from_word(output, f"-o {source.stem}.{chosen.name}")
    if out.is_file():
        raise RecipeError(f"{out}: the output of compile is a folder, this is a file", hint="-o FOLDER")
    from edgekit import build  # noqa: PLC0415 - loads when called
    from edgekit.cli.console import Voice, print_facts  # noqa: PLC0415 - loads when called

    with Voice(quiet, verbose).progress() as bars:
        artifact = build.compile_alone(source, chosen, out, threads=threads or 1, progress=bars.advance)
    facts = {"path": str(artifact.path), "size_bytes": artifact.size_bytes, "sha256": artifact.sha256}
    facts |= {"files": [each.path for each in artifact.files], "options": dict(artifact.options)}
    print_facts("edgekit.compile/1", {"target": chosen.name, **facts}, as_json=as_json, quiet=quiet)
    return 0
