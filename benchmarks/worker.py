"""A process that waits at a pipe while others run, and answers a line with a line."""

from __future__ import annotations

import subprocess
import sys


class Worker:
    """`python -m benchmark *arguments`, which reads lines and answers each with one.

    Attributes:
        greeting: the line that it says when it is ready.
    """

    def __init__(self, benchmark: str, *arguments: str):
        command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--work", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.greeting = self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._process.args[2:])} ended with exit code {self._process.wait()}")
        return line

    def ask(self, *words: object) -> str:
        """The answer to a line of these words, separated by tabs."""
        assert self._process.stdin is not None
        print(*words, sep="\t", file=self._process.stdin, flush=True)
        return self._read()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
