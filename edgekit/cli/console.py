"""Where words go: data on stdout, messages and progress on stderr.

Progress is shown on a terminal alone; ``-q`` silences all but errors; NO_COLOR is obeyed (by rich). What is piped is
as wide as it needs to be: a table is never cut to the 80 columns of a terminal that is not there.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_PIPE_COLUMNS = 200


@dataclass(frozen=True)
class Voice:
    """How much is said on stderr."""

    quiet: bool = False
    verbose: bool = False

    def say(self, sentence: str) -> None:
        """Write one line, unless quiet."""
        if not self.quiet:
            sys.stderr.write(sentence.rstrip("\n") + "\n")
            sys.stderr.flush()

    @contextmanager
    def progress(self) -> Iterator["Bars"]:
        """Show what is being done while the block runs; only on a terminal."""
        console = Console(stderr=True)
        if self.quiet or not console.is_terminal:
            yield Bars(self, None)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as display:
            yield Bars(self, display)


class Bars:
    """What is being done: the step in words, under it one bar for each count that runs; a line a step when verbose."""

    def __init__(self, voice: Voice, display: Progress | None) -> None:
        self._voice = voice
        self._display = display
        self._step: TaskID | None = None
        self._counts: dict[str, TaskID] = {}

    def advance(self, what: str, done: int, total: int) -> None:
        """Take a report of progress, as :data:`edgekit.recipe.Progress`; a total of 0 says that a step begins."""
        if total == 0:
            self._begin(what)
        elif self._display is not None:
            if what not in self._counts:
                self._counts[what] = self._display.add_task(what, total=total)
            if done >= total:
                self._display.remove_task(self._counts.pop(what))
            else:
                self._display.update(self._counts[what], completed=done, total=total)

    def _begin(self, what: str) -> None:
        if self._display is None:
            if self._voice.verbose:
                self._voice.say(what)
            return
        if self._voice.verbose:
            self._display.console.print(what, markup=False, highlight=False, soft_wrap=True)
        if self._step is not None:
            self._display.remove_task(self._step)
        self._step = self._display.add_task(what, total=None)


class DataConsole(Console):
    """A console that leaves a reader who went away to the command, where rich would leave with 1: a missed budget."""

    def on_broken_pipe(self) -> None:
        """Raise what rich caught."""
        raise BrokenPipeError


def stdout() -> Console:
    """The console for data."""
    console = DataConsole(highlight=False)
    return console if console.is_terminal else DataConsole(highlight=False, width=_PIPE_COLUMNS)


def print_facts(schema: str, facts: Mapping[str, object], *, as_json: bool, quiet: bool) -> None:
    """Print facts on stdout: one JSON document, or a line for each fact."""
    if as_json:
        sys.stdout.write(json.dumps({"schema": schema, **facts}, indent=2) + "\n")
    elif not quiet:
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            sys.stdout.write(f"{name:<{width}}  {in_words(value)}\n")


def in_words(value: object) -> str:
    """A plain value as people write it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {in_words(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_words, value)) or "none"
    return "none" if value is None else str(value)
