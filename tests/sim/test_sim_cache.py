"""The cache on disk: parallel processes, folders that cannot be written, entries that are broken."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from emulated import needs_sim, output

from gpudl.sim import cache
from gpudl.sim.errors import SimCompileError


def writes(text: str):
    return lambda work, target: target.write_text(text)


@pytest.fixture(autouse=True)
def no_substitutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_substitutes", {})


def test_key_depends_on_every_part_and_where_it_ends() -> None:
    assert cache.key("a", "bc") != cache.key("ab", "c") != cache.key("abc")
    assert cache.key("a", b"bc") == cache.key("a", "bc")


def test_entry_is_made_once(tmp_path: Path) -> None:
    first = cache.entry(tmp_path / "new" / "folder", "x.so", writes("one"))
    second = cache.entry(tmp_path / "new" / "folder", "x.so", writes("two"))
    assert first == second and first.read_text() == "one"
    assert os.listdir(first.parent) == ["x.so"]


def test_broken_entry_is_made_anew(tmp_path: Path) -> None:
    cache.entry(tmp_path, "x.so", writes("one"))

    def whole(path: Path) -> bool:
        return path.exists() and path.read_text() != "one"

    assert cache.entry(tmp_path, "x.so", writes("two"), whole).read_text() == "two"
    assert cache.entry(tmp_path, "x.so", writes("three"), whole).read_text() == "two"


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(work: Path, target: Path) -> None:
        target.write_text("half")
        raise SimCompileError("no")

    with pytest.raises(SimCompileError):
        cache.entry(tmp_path, "x.so", fail)
    assert os.listdir(tmp_path) == []


def test_many_at_once_all_see_whole_entries(tmp_path: Path) -> None:
    text = "x" * 1_000_000

    def one(i: int) -> int:
        return len(cache.entry(tmp_path, f"{i % 3}.so", writes(text)).read_text())

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(60))) == {len(text)}
    assert sorted(os.listdir(tmp_path)) == ["0.so", "1.so", "2.so"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_unwritable_folder_falls_back_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    kept = cache.entry(tmp_path, "kept.so", writes("kept"))
    make = cache._make

    def refuse(folder: Path, name: str, maker: object) -> Path:
        if folder == tmp_path:
            raise OSError(number, os.strerror(number))
        return make(folder, name, maker)

    monkeypatch.setattr(cache, "_make", refuse)
    a, b = (cache.entry(tmp_path, name, writes("made")) for name in ("a.so", "b.so"))
    assert a.read_text() == "made" and a.parent == b.parent != tmp_path
    assert cache.entry(tmp_path, "kept.so", writes("other")) == kept
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and str(tmp_path) in told and os.strerror(number) in told and "GPUDL_SIM_CACHE" in told


def test_folder_that_is_a_file_falls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cache.entry(tmp_path / "file", "a.so", writes("made")).read_text() == "made"
    assert "cannot be written" in capsys.readouterr().err


def test_compiler_on_a_full_disk_falls_back(tmp_path: Path) -> None:
    def full(work: Path, target: Path) -> None:
        if work.is_relative_to(tmp_path):
            raise SimCompileError("error writing to unit.s: No space left on device")
        target.write_text("made")

    assert cache.entry(tmp_path, "a.so", full).read_text() == "made"


def test_cut_off_object_is_compiled_again() -> None:
    needs_sim()
    # In processes of their own: in the first one, the whole object would stay in memory.
    program = """
from gpudl.sim.libraries import load_runtime
from gpudl.sim.module import compile_text
load_runtime()
made = compile_text('extern "C" __global__ void cut_off(float* x) { x[0] = 1; }')
print(made.path, made.signature("cut_off"))
"""
    whole = output(program)
    path = Path(whole.split()[0])
    path.write_bytes(path.read_bytes()[:3000])
    assert output(program) == whole and "Pf4" in whole
