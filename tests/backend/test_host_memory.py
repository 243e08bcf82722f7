"""Memory of arrays that are gone is used again, in place of new pages from the system."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
import gpudl
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    arrays = [np.ones(1 << 18) for _ in range(8)]  # of 2 MB, 512 pages each
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed memory by other rules")
def test_freed_arrays_are_used_again():
    process = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(process.stdout) < 20_000  # pages; without `import gpudl` 400,000, where they are of 4 KB
