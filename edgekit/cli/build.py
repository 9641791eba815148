"""``edgekit build``: words to a recipe, the recipe to a report, the report to a table and an exit code."""

import json
from pathlib import Path
from typing import Any

import click

from edgekit.cli import options


@click.command("build")
@click.argument("what", metavar="RECIPE|MODEL")
@options.targets
@options.card
@options.output("Folder of the result (default build/<stem>).")
@click.option("--max-drop", type=click.FloatRange(min=0), metavar="POINTS", help="Largest accuracy drop (default 1.0).")
@click.option("--p90-ms", type=click.FloatRange(0, min_open=True), metavar="MS", help="Largest p90 latency.")
@click.option("--size-mib", type=click.FloatRange(0, min_open=True), metavar="MIB", help="Largest artifact.")
@click.option("--rss-mib", type=click.FloatRange(0, min_open=True), metavar="MIB", help="Largest peak memory.")
@options.threads
@options.device
@options.settings
@click.option("--dry-run", is_flag=True, help="Check every word, show the plan, do nothing.")
@click.option("--resume", is_flag=True, help="Also continue inside a step that was interrupted.")
@click.option("--fresh", is_flag=True, help="Redo every step.")
@options.voice
def command(
    *,
    what: str,
    output: str | None,
    dry_run: bool,
    resume: bool,
    fresh: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Build RECIPE (.toml) or MODEL (.onnx) for its targets and prove the result.

    Without a recipe: prepare, quantize as the target says, repair while the budget is missed, compile, prove, report.
    Exit code: 0 the budget holds, 1 it is missed, 3 the samples cannot tell.
    """
    if resume and fresh:
        raise click.UsageError("--resume and --fresh exclude one another", click.get_current_context())
    # Imports stand inside the verbs, so that --help imports nothing heavy.
    from edgekit.cli.words import default_output, recipe_from_words  # noqa: PLC0415 - loads when called

    recipe = recipe_from_words(what, words)
    out = Path(output) if output else default_output(what)
    from edgekit import build  # noqa: PLC0415 - loads when called
    from edgekit.cli.console import Voice, stdout  # noqa: PLC0415 - loads when called
    from edgekit.cli.render import plan_document, plan_summary, print_report  # noqa: PLC0415 - loads when called
    from edgekit.report import exit_code  # noqa: PLC0415 - loads when called

    if dry_run:
        document = plan_document(recipe, out, build.plan(recipe))
        stdout().print(plan_summary(document)) if not as_json else click.echo(json.dumps(document, indent=2))
        return 0
    with Voice(quiet, verbose).progress() as bars:
        report = build.run(recipe, out, resume=resume, fresh=fresh, progress=bars.advance)
    if as_json:
        click.echo(report.to_json(), nl=False)
    elif not quiet:
        print_report(stdout(), report, str(out / "report.html"))
    return exit_code(report)
