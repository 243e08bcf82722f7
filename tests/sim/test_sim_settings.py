"""The settings: from the environment, at run time, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulated import run

from gpudl.sim import Settings, settings
from gpudl.sim.settings import current, from_environment, on_change


def test_defaults() -> None:
    found = from_environment({"HOME": "/home/x"})
    assert (found.check, found.order, found.seed, found.record) == ("fast", "forward", 0, None)
    assert found.cache == Path.home() / ".cache/gpudl/sim"
    assert from_environment({"XDG_CACHE_HOME": "/cache"}).cache == Path("/cache/gpudl/sim")


def test_environment_is_read() -> None:
    names = {
        "CHECK": "check",
        "ORDER": "random",
        "SEED": "7",
        "CACHE": "/c",
        "MEMORY": "64",
        "TIMEOUT": "0.5",
        "RECORD": "/r",
        "DEVICES": "2",
    }
    found = from_environment({f"GPUDL_SIM_{name}": value for name, value in names.items()})
    assert found == Settings("check", "random", 7, Path("/c"), 64, 0.5, 2, Path("/r"))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CHECK", "yes", "GPUDL_SIM_CHECK=yes: it must be fast or check"),
        ("ORDER", "backward", "GPUDL_SIM_ORDER=backward: it must be forward, reverse or random"),
        ("SEED", "-1", "GPUDL_SIM_SEED=-1: it must be a whole number, 0 to 4294967295"),
        ("SEED", "one", "GPUDL_SIM_SEED=one: it must be"),
        ("MEMORY", "2.5", "GPUDL_SIM_MEMORY=2.5: it must be a whole number of megabytes"),
        ("MEMORY", "0", "GPUDL_SIM_MEMORY=0: it must be"),
        ("TIMEOUT", "nan", "GPUDL_SIM_TIMEOUT=nan: it must be seconds"),
        ("CHEKC", "fast", "GPUDL_SIM_CHEKC is no setting of gpudl.sim; it has GPUDL_SIM_CACHE, "),
    ],
)
def test_wrong_variable_is_named(name: str, value: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_environment({f"GPUDL_SIM_{name}": value})
    assert str(caught.value).startswith(told)


def test_block_changes_and_restores() -> None:
    before = current()
    with settings(order="reverse", timeout=3) as inside:
        assert (inside.order, inside.timeout) == ("reverse", 3.0) and current() is inside
        with settings(order="forward"):
            assert current().timeout == 3.0
        assert current() == inside
    assert current() == before


def test_call_changes_from_then_on() -> None:
    before = current()
    settings(seed=5)
    assert current().seed == 5
    settings(seed=before.seed)


@pytest.mark.parametrize("wrong", [{"check": "full"}, {"order": ""}, {"seed": 1 << 32}, {"memory": 0}, {"timeout": -1}])
def test_wrong_argument_changes_nothing(wrong: dict[str, object]) -> None:
    before = current()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)
    assert current() == before


def test_listeners_hear_changes_only() -> None:
    heard = []
    on_change(lambda before, after: heard.append((before.order, after.order)))
    other = "reverse" if current().order == "forward" else "forward"
    with settings(order=other):
        settings(order=other)
    assert heard == [(heard[0][0], other), (other, heard[0][0])]


def test_random_order_says_its_seed_once(capsys: pytest.CaptureFixture[str]) -> None:
    with settings(order="random") as first, settings(timeout=5):
        told = capsys.readouterr().err
        assert told == f"gpudl.sim: random order, to be repeated with GPUDL_SIM_SEED={first.seed}\n"
    with settings(order="random") as second:
        assert second.seed != first.seed
    with settings(order="random", seed=3) as third:
        assert third.seed == 3


def test_random_order_of_the_environment_says_its_seed_once() -> None:
    done = run("from gpudl.sim.settings import current; current(); current()", GPUDL_SIM_ORDER="random")
    assert done.returncode == 0 and done.stderr.count("GPUDL_SIM_SEED=") == 1
