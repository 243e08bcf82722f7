"""Indices out of range: an error on the CPU and in debug mode; without it, on a device, no access to other memory."""

import numpy as np
import pytest
from oracle import ours

import gpudl
from gpudl.backend.debug import debug
from gpudl.nn import functional as F


def written(x, index):
    y = x.clone()
    y[index] = 7
    return y


# Each with x (2, 3), a number of a row that does not exist, and one for each element, of columns that do not.
CASES = {
    "gather": lambda x, row, each: gpudl.gather(x, 1, each),
    "scatter": lambda x, row, each: gpudl.scatter(x, 1, each, x),
    "scatter_add": lambda x, row, each: gpudl.scatter_add(x, 1, each, x),
    "scatter_reduce": lambda x, row, each: gpudl.scatter_reduce(x, 1, each, x, "amax"),
    "take_along_dim": lambda x, row, each: gpudl.take_along_dim(x, each, 1),
    "take": lambda x, row, each: gpudl.take(x, row * 3),
    "put": lambda x, row, each: x.clone().put_(row * 3, x[0, :2]),
    "index_select": lambda x, row, each: gpudl.index_select(x, 0, row),
    "index_add": lambda x, row, each: gpudl.index_add(x, 0, row, x),
    "index_copy": lambda x, row, each: gpudl.index_copy(x, 0, row, x),
    "index_fill": lambda x, row, each: gpudl.index_fill(x, 0, row, 1),
    "index_reduce": lambda x, row, each: gpudl.index_reduce(x, 0, row, x, "amax"),
    "index_put": lambda x, row, each: gpudl.index_put(x, (row,), x[0], accumulate=True),
    "a row": lambda x, row, each: x[row],
    "columns": lambda x, row, each: x[:, each[0]],
    "elements": lambda x, row, each: x[row, each[0, :2]],
    "a row written": lambda x, row, each: written(x, row),
    "columns written": lambda x, row, each: written(x, (slice(None), each[0])),
    "embedding": lambda x, row, each: F.embedding(row, x),
    "embedding, bounded": lambda x, row, each: F.embedding(row, x.clone(), max_norm=1.0),
    "embedding_bag": lambda x, row, each: F.embedding_bag(each, x),
    "embedding_bag, max": lambda x, row, each: F.embedding_bag(each, x, mode="max"),
    "one_hot": lambda x, row, each: F.one_hot(each, 3),
}


@pytest.mark.parametrize("far", [-100, 100])
@pytest.mark.parametrize("name", CASES)
def test_indices_out_of_range(name, far, device):
    x = ours(np.arange(6, dtype="float32").reshape(2, 3), device)
    row = gpudl.tensor([0, far], device=device)
    each = gpudl.tensor([[0, far, 1], [0, 1, far]], device=device)
    with pytest.raises((IndexError, RuntimeError), match=r"index -?\d+ is out of (range|bounds)"):
        CASES[name](x, row, each)
    if device.type != "cpu":
        with debug(False):
            CASES[name](x, row, each)
        np.testing.assert_array_equal(x.cpu().numpy(), np.arange(6).reshape(2, 3))
