"""The flag ``--classes``, which takes ``dog cat``, ``dog,cat`` and repetition alike."""

from __future__ import annotations

from pathlib import Path

import click

FLAG = "--classes"


class ClassesCommand(click.Command):
    """A command whose flag ``--classes`` takes several names, one after the other.

    Words behind the flag are names of classes until the next flag; what is a file or folder, or
    names one, is not, and neither is the first argument of the command.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments with the flag repeated before each name."""
        return super().parse_args(ctx, repeated(args))


def repeated(args: list[str]) -> list[str]:
    """Return arguments in which each name behind ``--classes`` has a flag of its own.

    >>> repeated(["w", "--classes", "dog", "cat", "--videos", "v"])
    ['w', '--classes', 'dog', '--classes', 'cat', '--videos', 'v']
    """
    result: list[str] = []
    inside, begun = False, bool(args) and not args[0].startswith("-")
    for at, word in enumerate(args):
        if word.startswith("-"):
            inside = word == FLAG
        elif inside and args[at - 1] != FLAG:
            inside = begun and not _is_path(word)
            result += [FLAG] if inside else []
        result.append(word)
    return result


def _is_path(word: str) -> bool:
    """Return whether a word is a file or folder, or is written like one."""
    path = Path(word)
    return path.exists() or path.suffix != "" or "/" in word or "://" in word
