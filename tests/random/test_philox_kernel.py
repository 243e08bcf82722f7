"""kernels/math/philox.cuh, compiled for the host, against Stream: the same bits."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from gpudl.backend.source import source
from gpudl.random import stream

WORDS_AND_UNIFORMS = """
extern "C" void fill(const unsigned long long* key, const unsigned long long* index, unsigned long long first_block,
                     long blocks, unsigned long long* words, float* uniforms) {
    for (long b = 0; b < blocks; ++b) {
        PhiloxBlock block = philox_block(first_block + b, index[0], index[1], index[2], key[0], key[1]);
        for (int j = 0; j < 4; ++j) words[4 * b + j] = block.word[j];
        for (int j = 0; j < 8; ++j) uniforms[8 * b + j] = philox_uniform(block, j);
    }
}
"""


@pytest.fixture(scope="module")
def fill(tmp_path_factory):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++) on this machine")
    folder = tmp_path_factory.mktemp("philox")
    (folder / "philox.cpp").write_text(source("math/philox.cuh") + WORDS_AND_UNIFORMS)
    subprocess.run(
        [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", folder / "philox.so", folder / "philox.cpp"],
        check=True,
    )
    function = ctypes.CDLL(str(folder / "philox.so")).fill

    def call(s, blocks):
        words, uniforms = np.empty(4 * blocks, np.uint64), np.empty(8 * blocks, np.float32)
        pairs = (np.array(s.key, np.uint64), np.array(s.index, np.uint64))
        function(
            *(ctypes.c_void_p(array.ctypes.data) for array in pairs),
            ctypes.c_ulonglong(s.position // 4),
            ctypes.c_long(blocks),
            ctypes.c_void_p(words.ctypes.data),
            ctypes.c_void_p(uniforms.ctypes.data),
        )
        return words, uniforms

    return call


@pytest.mark.parametrize(
    "make",
    [
        lambda: stream("dropout", seed=0),
        lambda: stream("dropout", 3, 2**64 - 1, seed=-1),
        lambda: stream("dropout", 2**63, seed=2**64 - 1).at(2**64 - 30_000),
    ],
)
def test_kernel_gives_the_words_and_uniforms_of_the_stream(fill, make):
    words, uniforms = fill(make(), 25_000)
    assert np.array_equal(words, make().words(100_000))
    assert np.array_equal(uniforms, make().uniform(200_000))
