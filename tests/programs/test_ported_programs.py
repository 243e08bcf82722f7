"""Programs written for PyTorch run in gpudl unchanged, with the same losses, parameters and buffers."""

import generative_programs
import habit_programs
import image_programs
import language_programs
import numpy as np
import pytest
import sequence_programs
import surgery_programs
from ported import both, programs_of

PROGRAMS = programs_of(
    image_programs, generative_programs, sequence_programs, language_programs, habit_programs, surgery_programs
)

# Both libraries round in another order; 15 steps of optimizers that divide by the size of a gradient enlarge that.
CLOSE = {"float64": (1e-6, 1e-8), "float32": (1e-2, 1e-3)}

# Parameters whose gradient is 0 but for rounding, which Adam divides by its own size: a bias of the keys adds the same
# to all scores of a query.
WITHOUT_EFFECT = {"transformer_translation": ("in_proj_bias",)}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_trains_alike_in_both_libraries(program, dtype):
    (losses, model), (want, theirs) = both(program, dtype)
    relative, absolute = CLOSE[dtype]
    assert len(losses) >= 8
    np.testing.assert_allclose(losses, want, relative, absolute)
    ours = model.state_dict()
    assert list(ours) == list(theirs.state_dict())
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    for name, value in theirs.state_dict().items():
        got, expected = ours[name].numpy(), value.numpy()
        assert got.dtype == expected.dtype and got.shape == expected.shape, name
        if not name.endswith(WITHOUT_EFFECT.get(program.__name__, ("nothing",))):
            np.testing.assert_allclose(got, expected, relative, absolute, err_msg=name)
    shown = repr(theirs).replace("FloatTensor", "float32").replace("DoubleTensor", "float64").replace("torch.", "")
    assert repr(model) == shown
