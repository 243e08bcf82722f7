"""gpudl doctor."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer, say
from gpudl.cli.options import shared

if TYPE_CHECKING:
    from gpudl.backend.doctor import Finding
    from gpudl.cli.parser import Arguments

SUMMARY = "say which devices work here, and what to install"

ABOUT = """\
Say what there is to compute with: gpudl, Python, NumPy with its BLAS, GPUs, driver, CuPy, CUDA libraries and compiler,
with versions and places; extras, with the line that installs each; caches; variables of the environment. And show of
each device that it works, by a kernel that is compiled, run and checked.

  gpudl doctor                  all devices that should work here
  gpudl doctor --device cuda    this device only
  gpudl doctor --json           for a bug report or a script

Nothing is written but compiled kernels, in their caches. Exit codes: 0 these devices work, 1 one does not, 2 wrong
input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    shared(parser, "device", "json", "quiet", "verbose", plain="device")


def run(arguments: Arguments) -> Answer:
    """Do it, each line when it is known."""
    from gpudl.backend import doctor, surroundings
    from gpudl.backend.device import device

    def found(finding: Finding, kind: str = "") -> Finding:
        if not arguments.json:
            text = f"{finding.name}: {finding.text}" if kind else finding.text
            say(f"{kind or finding.name:9} {'yes' if finding.found else 'no':4} {text}")
        return finding

    def gap() -> None:
        if not arguments.json:
            say("")

    wanted, others = doctor.installed()
    if arguments.device is not None:
        wanted, others = [device(arguments.device)], []
    parts = [found(finding) for finding in (*surroundings.programs(), *surroundings.gpus(), *doctor.parts())]
    gap()
    extras = [found(finding, "extra") for finding in surroundings.extras()]
    caches = [found(finding, "cache") for finding in surroundings.caches()]
    variables = [found(finding, "variable") for finding in surroundings.variables()]
    gap()
    devices = [found(doctor.trial(place)) for place in wanted]
    works = all(finding.found for finding in devices)
    devices += [found(doctor.trial(place)) for place in others]
    gap()
    lines = doctor.install_lines()
    data = {
        "works": works,
        **{
            name: [finding._asdict() for finding in findings]
            for name, findings in [
                ("parts", parts),
                ("extras", extras),
                ("caches", caches),
                ("variables", variables),
                ("devices", devices),
            ]
        },
        "install": lines,
    }
    return Answer("\n".join(lines), data, 0 if works else 1)
