"""gpudl on the inputs that PyTorch's own tests use: every sample of OpInfo for every operation that gpudl has."""

import cases
import opinfo
import pytest

UNLIKE, SLACK, DRAWN = cases.declared("UNLIKE"), cases.declared("SLACK"), cases.declared("DRAWN")
ENTRIES = opinfo.entries()


def declined(name, check):
    reason = UNLIKE.get(name) or UNLIKE.get(f"{name} {check}")
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("dtype", opinfo.DTYPES)
@pytest.mark.parametrize("name", ENTRIES)
def test_operation_agrees_on_the_samples_of_torch(name, dtype, device):
    declined(name, dtype)
    drawn = {"drawn": DRAWN[name]} if name in DRAWN else {}
    _, failures = opinfo.check(ENTRIES[name], dtype, device, SLACK.get(name, 1.0), **drawn)
    assert not failures, f"{len(failures)} failures, among them\n" + "\n".join(failures[:5])


@pytest.mark.parametrize("name", [name for name, op in ENTRIES.items() if op.error_inputs_func])
def test_operation_raises_where_torch_does(name, device):
    declined(name, "errors")
    _, failures = opinfo.check_errors(ENTRIES[name], device)
    assert not failures, f"{len(failures)} failures, among them\n" + "\n".join(failures[:5])


def test_what_is_declared_names_entries():
    assert {name.split()[0] for name in (*UNLIKE, *SLACK, *DRAWN)} <= ENTRIES.keys()


def test_samples_were_compared(device):
    assert opinfo.check(ENTRIES["add"], "float32", device)[0] > 5
