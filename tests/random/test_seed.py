"""Seeds and named streams: independent of one another and of the order of calls."""

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from gpudl.random import init_stream, initial_seed, manual_seed, sampling_stream, stream


def bits(s):
    return s.words(8).tolist()


def test_manual_seed_makes_streams_repeat():
    manual_seed(5)
    first = bits(stream("shuffle", 1))
    manual_seed(6)
    assert bits(stream("shuffle", 1)) != first
    manual_seed(5)
    assert bits(stream("shuffle", 1)) == first == bits(stream("shuffle", 1, seed=5))


@pytest.mark.parametrize("seed", [0, 1, -1, -(2**63), 2**63, 2**64 - 1, True, np.int64(-7)])
def test_seeds_are_torchs(seed):
    torch = pytest.importorskip("torch")
    manual_seed(seed)
    before = torch.initial_seed()
    try:
        torch.manual_seed(int(seed))
        assert initial_seed() == torch.initial_seed()
    finally:
        torch.manual_seed(before)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seed_out_of_range(seed):
    manual_seed(11)
    with pytest.raises(ValueError, match=rf"manual_seed: seed must be in .* got {seed}"):
        manual_seed(seed)
    with pytest.raises(ValueError, match=r"stream.*seed must be in"):
        stream("x", seed=seed)
    assert initial_seed() == 11


@pytest.mark.parametrize("seed", ["1", 2.5, None])
def test_seed_must_be_an_integer(seed):
    with pytest.raises(TypeError, match="seed must be an integer"):
        manual_seed(seed)


def test_streams_differ_in_every_argument():
    streams = [
        stream("a", seed=1),
        stream("a", seed=2),
        stream("b", seed=1),
        stream("a", 0, seed=1),
        stream("a", 0, 0, seed=1),
        stream("a", 1, seed=1),
        stream("a", 0, 1, seed=1),
        stream("a", 1, 0, seed=1),
    ]
    words = [word for s in streams for word in bits(s)]
    assert len(set(words)) == len(words)


def test_key_is_seed_and_hash_of_purpose():
    digest = hashlib.blake2b("größe".encode(), digest_size=8).digest()
    assert stream("größe", 4, seed=-1).key == (2**64 - 1, int.from_bytes(digest, "little"))
    assert stream("größe", seed=0).index == (0, 0, 0)
    assert stream("größe", 4, 9, seed=0).index == (2, 4, 9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("x", -1), ValueError, "got -1"),
        (("x", 0, 2**64), ValueError, "index must be in"),
        (("x", 1.0), TypeError, "an index must be an integer, got 1.0"),
        (("x", 1, 2, 3), ValueError, "at most 2 indices"),
        ((1,), TypeError, "purpose must be a string, got int"),
    ],
)
def test_bad_stream_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        stream(*arguments)


@pytest.mark.parametrize(("draw", "purpose"), [(init_stream, "init"), (sampling_stream, "sample")])
def test_numbered_streams_do_not_depend_on_other_draws(draw, purpose):
    manual_seed(0)
    first = [bits(draw()) for _ in range(3)]
    assert first == [bits(stream(purpose, number)) for number in range(3)]
    manual_seed(0)
    again = []
    for number in range(3):
        stream("dropout", number).normal(100)
        (sampling_stream if draw is init_stream else init_stream)().words(3)
        again.append(bits(draw()))
    assert again == first


def test_init_streams_are_numbered_once_across_threads():
    manual_seed(0)
    numbers = []
    threads = [
        threading.Thread(target=lambda: numbers.extend([init_stream().index[1] for _ in range(200)])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1600))


def test_without_manual_seed_each_program_has_its_own():
    code = "from gpudl.random import *; print(initial_seed(), initial_seed(), stream('x').key[0])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        for _ in range(2)
    ]
    first, second = (run.stdout.split() for run in runs)
    assert len(set(first)) == len(set(second)) == 1
    assert first != second
