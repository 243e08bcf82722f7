"""Whether an installed gpudl has all it needs; run by test_packaging.py, and by CI in a fresh environment.

    python -I tests/installed.py [FOLDER]

FOLDER is where gpudl was installed, if the interpreter does not look there by itself; -I keeps the checkout out of
sight.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from pathlib import Path

warnings.simplefilter("error")
sys.path[:0] = sys.argv[1:]

import gpudl  # noqa: E402
from gpudl.backend.source import kernels_folder, source  # noqa: E402
from gpudl.nn.functional import mse_loss  # noqa: E402

package = Path(gpudl.__file__).resolve().parent
assert not (package.parent / "pyproject.toml").exists(), f"{package} is a checkout, not an installed package"
assert kernels_folder() == package / "kernels"
assert "philox" in source("math/philox.cuh")

EXTRAS = ("cupy", "pytest")  # what modules may need that are imported with a device, or by pytest

for module in pkgutil.walk_packages([str(package)], "gpudl."):
    if not module.name.endswith(".__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
files = [str(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] == "gpudl"]
strays = [file for file in files if package not in Path(file).resolve().parents]
assert not strays, f"not from {package}: {strays}"

gpudl.manual_seed(0)
model = gpudl.nn.Sequential(gpudl.nn.Linear(4, 8), gpudl.nn.ReLU(), gpudl.nn.Linear(8, 2))
optimizer = gpudl.optim.Adam(model.parameters(), lr=0.01)
x, target = gpudl.rand(16, 4), gpudl.zeros(16, 2)
before = mse_loss(model(x), target)
before.backward()
optimizer.step()
after = mse_loss(model(x), target)
assert after.item() < before.item(), f"one step of Adam took the loss from {before.item()} to {after.item()}"
print(f"gpudl {gpudl.__version__} in {package.parent}: finds its kernel text, imports every module, trains one step")
