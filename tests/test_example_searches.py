"""The examples that act, that search settings, and that hold a device against the CPU."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl
from tests.test_examples import EXAMPLES, assert_one_line_of_error, needs_sim, needs_sklearn, result_of, run


def dqn() -> Any:
    spec = importlib.util.spec_from_file_location("dqn", EXAMPLES / "dqn.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def returns_of(process: Any) -> tuple[float, float]:
    found = re.fullmatch(r"mean return over 20 greedy episodes: (\S+) \(at random: (\S+)\)\n", result_of(process))
    assert found, process.stdout
    return float(found[1]), float(found[2])


def best_mean_return() -> float:
    """Of the gridworld, from the 20 starts of seed 0, by value iteration."""
    env = dqn().GridWorld()
    values = np.full(env.cells.shape, -9.0)
    for _ in range(env.limit):
        for action in range(env.actions):
            places, rewards, ended = env.step(env.free, np.full(len(env.free), action))
            found = rewards + np.where(ended, 0, values[tuple(places.T)])
            values[tuple(env.free.T)] = np.maximum(values[tuple(env.free.T)], found)
    starts = env.start(20, gpudl.random.stream("start", seed=0))
    return float(values[tuple(starts.T)].mean())


def test_dqn_walks_the_gridworld_and_repeats_itself() -> None:
    learned, chance = returns_of(run("dqn.py"))
    best = best_mean_return()
    assert chance < 0 and best - 0.02 <= learned <= best + 0.005
    first, again, other = (run("dqn.py", "--epochs", 1, "--seed", seed) for seed in (3, 3, 4))
    assert (first.stdout, first.stderr) == (again.stdout, again.stderr)
    assert first.stderr != other.stderr


def test_dqn_starts_on_the_pole() -> None:
    learned, chance = returns_of(run("dqn.py", "--env", "cartpole", "--epochs", 1))
    assert 5 < chance < 50 and 5 < learned <= 500


def test_dqn_names_the_environments_that_it_has() -> None:
    process = run("dqn.py", "--env", "chess")
    assert process.returncode == 2 and "cartpole" in process.stderr


def test_a_pole_moves_by_the_equations_of_barto_sutton_and_anderson() -> None:
    """From rest, upright, by hand: the push turns the pole the other way; a pole that leans falls on."""
    env = dqn().CartPole()
    states, rewards, fallen = env.step(np.zeros((2, 4)), np.array([0, 1]))
    turn = 0.02 * (10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    speed = 0.02 * 10 / 1.1 + 0.05 * turn / 1.1
    np.testing.assert_allclose(states, [[0, -speed, 0, turn], [0, speed, 0, -turn]])
    assert rewards.tolist() == [1, 1] and fallen.tolist() == [False, False]
    _, _, fallen = env.step(np.array([[2.41, 0, 0, 0], [0, 0, 0.21, 0], [0, 0, -0.21, 0]]), np.array([1, 1, 0]))
    assert fallen.tolist() == [True, True, True]


def test_the_grid_has_walls_edges_a_goal_and_pits() -> None:
    env = dqn().GridWorld()
    places = np.array([[0, 0], [0, 0], [0, 2], [0, 5], [2, 1]])
    moved, rewards, ended = env.step(places, np.array([0, 1, 1, 1, 1]))
    assert moved.tolist() == [[0, 0], [0, 1], [0, 2], [0, 6], [2, 2]]
    np.testing.assert_allclose(rewards, [-0.02, -0.02, -0.02, 0.98, -1.02])
    assert ended.tolist() == [False, False, False, True, True]
    assert env.observe(places).argmax(1).tolist() == [0, 0, 2, 5, 15]


def test_the_memory_keeps_the_last_steps() -> None:
    memory = dqn().Memory(4, 1)
    for first in (0, 3):
        step = np.arange(first, first + 3, dtype=np.float32)
        memory.add(step[:, None], step, step, step[:, None], step)
    assert all(array.ravel().tolist() == [4, 5, 2, 3] for array in memory.arrays)


@needs_sklearn
@needs_sim
def test_sim_trains_as_the_cpu_does(tmp_path: Path) -> None:
    process = run("compare_devices.py", "--device", "sim")
    assert re.fullmatch(r"largest difference of 23 losses: \S+, within 1e-04\n", result_of(process)), process.stdout
    assert process.stderr.count("\n") == 24


@needs_sklearn
def test_losses_that_part_end_in_exit_code_1(tmp_path: Path) -> None:
    text = (EXAMPLES / "compare_devices.py").read_text(encoding="utf-8")
    wrong = text.replace('for device in ("cpu", name)', 'for device, args.seed in (("cpu", 0), (name, 1))')
    assert wrong != text
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    process = run(tmp_path / "wrong.py", "--device", "cpu")
    assert process.returncode == 1 and "beyond 1e-04" in process.stdout


@needs_sklearn
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="Matplotlib is not installed")
def test_the_curves_are_drawn(tmp_path: Path) -> None:
    result_of(run("compare_devices.py", "--device", "cpu", "--plot", tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert_one_line_of_error(
        run("compare_devices.py", "--device", "cpu", "--plot", tmp_path / "none" / "a.png"), "none", "a.png"
    )


@needs_sklearn
def test_without_optuna_the_search_is_random_and_repeats_itself(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError('not here')\n")
    arguments = ("tune.py", "--trials", 3, "--epochs", 2)
    first, again = (run(*arguments, path=[tmp_path]) for _ in range(2))
    assert 'pip install "gpudl[tune]"' in first.stderr and first.stderr.count("\n") == 4
    assert (first.stdout, first.stderr) == (again.stdout, again.stderr)
    accuracies = [float(found) for found in re.findall(r"trial \d: (\S+) with", first.stderr)]
    (best,) = re.findall(rf"trial \d: {max(accuracies):.4f} with (.*)\n", first.stderr)[:1]
    found = re.fullmatch(r"best: (.*); test accuracy: (\d\.\d{4})\n", result_of(first))
    assert found and found[1] == best and float(found[2]) > 0.8


OPTUNA = """
class Trial:
    def suggest_float(self, name, low, high, *, log=False):
        return (low * high) ** 0.5 if log else (low + high) / 2
    def suggest_categorical(self, name, choices):
        return choices[0]
class logging:
    WARNING = 30
    def set_verbosity(level): pass
class samplers:
    class TPESampler:
        def __init__(self, seed): self.seed = seed
class Study:
    def optimize(self, objective, n_trials):
        for _ in range(n_trials): assert 0 <= objective(Trial()) <= 1
def create_study(*, direction, sampler):
    assert direction == "maximize" and sampler.seed == 5
    return Study()
"""


@needs_sklearn
def test_the_search_asks_optuna_where_there_is_one(tmp_path: Path) -> None:
    """A stand-in with the names and arguments of Optuna's documentation, which tries the middle of the space."""
    (tmp_path / "optuna.py").write_text(OPTUNA)
    process = run("tune.py", "--trials", 2, "--epochs", 1, "--seed", 5, path=[tmp_path])
    assert "best: lr 0.00316, weight_decay 0.0316, dropout 0.25, hidden 16;" in result_of(process)
    assert process.stderr.count("\n") == 2
