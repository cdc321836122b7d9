"""A bar for people at a terminal: how far, how fast, how long still; a file or a pipe is told nothing."""

import sys
from typing import NamedTuple, Never

from tqdm import tqdm


class Progress(NamedTuple):
    """Whether bars are wanted at all."""

    quiet: bool

    def bar(self, what: str, size: int | None, done: int = 0) -> "tqdm[Never]":
        """Begin a bar of so many bytes, of which some are done; to be closed."""
        hidden = self.quiet or not sys.stderr.isatty()
        return tqdm(total=size, initial=done, desc=what, unit="B", unit_scale=True, unit_divisor=1024, disable=hidden)
