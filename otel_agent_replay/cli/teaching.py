"""Commands whose help ends with examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["TeachingCommand", "TeachingGroup"]


class TeachingCommand(click.Command):
    """A click command with examples under its help.

    `elsewhere` says of options that are looked for here where to find them.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own
        examples: Sequence[str],
        elsewhere: Mapping[str, str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.elsewhere = dict(elsewhere or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; say of a wrong option what it is called here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in self.elsewhere:
                raise
            found = self.elsewhere[error.option_name]
            ctx.fail(f"No such option {error.option_name!r}. {found}")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class TeachingGroup(TeachingCommand, click.Group):
    """A group of commands with examples under its help."""
