"""The ELF reader, on what the machine's own compiler makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulated import needs_sim

from gpudl.sim import elf
from gpudl.sim.module import shared_name
from gpudl.sim.toolchain import compile_cpp

TEXT = """
extern "C" int wanted(int);
template <class T> T* held() { static T sum[4]; return sum; }
extern "C" __attribute__((used)) float* f(int i) {
  static const int fixed[2] = {1, 2};
  return held<float>() + wanted(fixed[i]);
}
static __attribute__((used, noinline)) int hidden() { return 1; }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_sim()
    folder = tmp_path_factory.mktemp("elf")
    (folder / "a.cpp").write_text(TEXT)
    compile_cpp(
        ["-O0", "-fPIC", "-shared", "-nostdlib", "-Wl,-soname,liba.so.7", folder / "a.cpp", "-o", folder / "liba.so"]
    )
    (folder / "b.cpp").write_text('extern "C" float* f(int); float* g() { return f(0); }')
    compile_cpp(["-fPIC", "-shared", "-nostdlib", folder / "b.cpp", folder / "liba.so", "-o", folder / "libb.so"])
    return folder


def test_functions_are_found_with_address_and_size(made: Path) -> None:
    found = {symbol.name: symbol for symbol in elf.read(made / "liba.so").symbols}
    f, hidden = found["f"], found["_ZL6hiddenv"]
    assert f.kind == hidden.kind == "function" and f.defined and hidden.defined
    assert f.size > 0 and f.address > 0 and not f.writable


def test_undefined_symbols_are_told_from_defined_ones(made: Path) -> None:
    dynamic = {symbol.name: symbol.defined for symbol in elf.read(made / "liba.so").dynamic}
    assert dynamic["wanted"] is False and dynamic["f"] is True and "_ZL6hiddenv" not in dynamic


def test_only_variables_are_writable(made: Path) -> None:
    statics = {s.name: s for s in elf.read(made / "liba.so").symbols if s.name.startswith("_ZZ")}
    by_name = {shared_name(name): symbol for name, symbol in statics.items()}
    assert by_name["sum"].writable and by_name["sum"].size == 16 and by_name["sum"].kind == "object"
    assert not by_name["fixed"].writable


def test_needed_libraries_and_image(made: Path) -> None:
    tables = elf.read(made / "libb.so")
    assert tables.needed == ["liba.so.7"]
    assert tables.low == 0 < tables.high
    assert all(
        symbol.address < tables.high for symbol in tables.symbols if symbol.defined and symbol.kind == "function"
    )


def test_other_files_and_cut_off_ones_are_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no ELF")
    with pytest.raises(ValueError, match="no 64-bit little-endian ELF file"):
        elf.read(tmp_path / "text")
    whole = (made / "liba.so").read_bytes()
    for length in (40, len(whole) // 2, len(whole) - 100):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="broken ELF file"):
            elf.read(tmp_path / "cut")


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_ZZ8cupy_sumE10_sdata_raw", "_sdata_raw"),
        ("_ZZ4softPKfiE3buf", "buf"),
        ("_ZZ1kIfEvPT_E3buf_0", "buf"),
        ("_ZZ1kIfEvPT_E3buf__12_", "buf"),
        ("_ZZ1kvE2s1", "s1"),
        ("_ZZ1kvE11twelve_bad", "_ZZ1kvE11twelve_bad"),
    ],
)
def test_name_of_a_shared_variable(mangled: str, name: str) -> None:
    assert shared_name(mangled) == name
