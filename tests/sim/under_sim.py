"""A pytest plugin that puts the sim device under CuPy before any test module imports it."""

from gpudl import sim

sim.install()
