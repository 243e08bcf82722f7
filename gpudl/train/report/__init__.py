"""What came of a run: read its folder, write report.html, draw plots as PNG.

from gpudl.train.report import draw_plots, read_run, write_report

write_report("runs/digits")                                  # a page that needs nothing else, for a browser
draw_plots(["runs/digits"])                                  # PNG files in runs/digits/plots; needs matplotlib
draw_plots(["runs/adam", "runs/sgd"], out="compared")        # their curves over each other
read_run("runs/digits").best("val_accuracy")                 # (epoch, value)
"""

from __future__ import annotations

from gpudl.train.report.page import write_report
from gpudl.train.report.plots import draw_plots
from gpudl.train.report.reading import read_run
from gpudl.train.report.record import RunRecord, Sample

__all__ = ["RunRecord", "Sample", "draw_plots", "read_run", "write_report"]
