"""gpudl compare --speed: which times are there. How large they are is no test's business."""

from __future__ import annotations

import json

import gpudl
from gpudl import nn
from gpudl.autograd import Primitive
from gpudl.cli import main
from gpudl.compare import compare_devices


class Halving(Primitive):
    """Changes what it is given."""

    def forward(ctx, x):
        x *= 0.5
        return x + 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x):
        return Halving.apply(self.norm(self.conv(x)).relu().detach()) + self.conv(x)


def test_operations_have_times_on_devices_that_are_not_emulated(gpu):
    timed = ["cpu"] if gpu.startswith("sim") else ["cpu", gpu]
    model, x = Net(), gpudl.rand(2, 1, 6, 6)
    found = compare_devices(model, x, devices=("cpu", gpu), speed=True)
    assert found.agrees
    for row in found.ops:
        assert list(row.seconds) == ([] if row.op == "Halving" else timed), row.op
        assert all(0 < each < 10 for each in row.seconds.values()) and row.to_dict()["seconds"] == row.seconds
    assert {"BatchNorm", "Relu", "Convolution", "Halving"} <= {row.op for row in found.ops}
    assert any(row.direction == "backward" for row in found.ops)
    notes = [f"No times of {gpu}, which is emulated"] if len(timed) == 1 else []
    assert list(found.notes) == notes
    plain = compare_devices(model, x, devices=("cpu", gpu))
    assert not any(row.seconds for row in plain.ops) and plain.notes == ()
    assert " Time" not in str(plain) and '<th scope="col" class=n>Time</th>' not in plain.html()
    assert " Time" in str(found) and '<th scope="col" class=n>Time</th>' in found.html()
    assert " | Time | " in found.markdown()


def test_command_takes_speed(gpu, capsys):
    line = ["compare", "LeNet5", "--batch-size", "2", "--steps", "0", "--devices", f"cpu,{gpu}", "--speed", "--json"]
    assert main(line) == 0
    rows = json.loads(capsys.readouterr().out)["ops"]
    assert rows and all(row["seconds"]["cpu"] > 0 for row in rows)
