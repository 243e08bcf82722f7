"""Memory of arrays that are gone is used again, in place of new pages from the system."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
if sys.argv[1:]:
    import gpudl
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    arrays = [np.ones(1 << 18) for _ in range(8)]  # of 2 MB, 512 pages each
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments):
    """How many pages the system had to hand out."""
    process = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return int(process.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed memory by other rules")
def test_freed_arrays_are_used_again():
    assert faults("gpudl") < 20_000 < faults()
