"""The command ``edgekit``: run a verb, say what went wrong, leave with the documented exit code.

Rules: one line ``error: ...`` for each mistake, then one line ``hint: ...``, on stderr, never wrapped; Click's own
errors look the same; a traceback is shown for bugs alone (70). Nothing heavy is imported here: every verb loads
when it is called, so that ``edgekit --help`` costs what importing Click costs.
"""

import errno
import os
import sys
from collections.abc import Sequence

import click

from edgekit.cli.group import edgekit, near
from edgekit.errors import EdgeKitError

USAGE, FAILED, BUG = 2, 6, 70
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + SIGINT and 128 + SIGPIPE, as shells count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: the words after ``edgekit``; those of this process when None.
    """
    try:
        code = _call(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()  # a reader that went away shows here, not after the last handler
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit stays quiet
        return PIPE_CLOSED
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the outermost place: nothing goes further
        mistakes, hint, code = _said(error)
        complain(mistakes, hint)
    return code


def _said(error: BaseException) -> tuple[Sequence[str], str, int]:
    """Return the mistakes, the hint and the exit code that an error stands for."""
    if isinstance(error, EdgeKitError):
        return error.mistakes, error.hint, error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return ["interrupted"], "", INTERRUPTED
    if isinstance(error, click.ClickException):
        return *_words_of_click(error), USAGE
    if isinstance(error, SystemExit):  # nothing of ours exits; silence would read as success
        hint = "a function that a card or recipe names must return, not leave"
        return [f"code that was called left the program (exit {error.code})"], hint, USAGE
    return _said_of_the_machine(error)


def _said_of_the_machine(error: BaseException) -> tuple[Sequence[str], str, int]:
    """The same for memory and disk that run out; everything else is a bug, whose traceback is printed."""
    if isinstance(error, MemoryError):
        return ["out of memory"], "close other programs, or use a machine with more memory", FAILED
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        place = f": {error.filename}" if error.filename else ""
        return [f"the disk is full{place}"], "free some space, then go on with --resume", FAILED
    import traceback  # noqa: PLC0415 - 10 ms that only a bug pays

    traceback.print_exception(error)
    hint = "report it with the lines above and what 'edgekit doctor' prints"
    return ["this is a bug in EdgeKit, not in what you gave it"], hint, BUG


def complain(mistakes: Sequence[str], hint: str) -> None:
    """Write ``error:`` and ``hint:`` lines to stderr; what cannot be printed in one line is escaped."""
    lines = [f"error: {_one_line(each)}" for each in mistakes]
    if hint:
        lines.append(f"hint: {_one_line(hint)}")
    sys.stderr.write("".join(line + "\n" for line in lines))
    sys.stderr.flush()


def _call(arguments: list[str]) -> int:
    """Run Click without its own error pages; a verb returns its exit code, or None for 0."""
    try:
        with edgekit.make_context("edgekit", arguments) as context:
            return edgekit.invoke(context) or 0
    except click.exceptions.Exit as done:  # --help and --version
        return done.exit_code


def _words_of_click(error: click.ClickException) -> tuple[list[str], str]:
    """Say what Click found wrong in the house's form: a lower-case sentence, a guess, and where help is."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "edgekit"
    if isinstance(error, click.NoSuchOption):
        options = [name for each in context.command.params for name in each.opts] if context else []
        return [f"no such option {error.option_name!r}{near(error.option_name, options)}"], f"{path} --help lists them"
    if isinstance(error, click.FileError):
        return [f"{error.ui_filename}: {error.message}"], ""
    text = error.format_message().rstrip(".")
    return [text[:1].lower() + text[1:]], f"{path} --help shows how it is used"


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
