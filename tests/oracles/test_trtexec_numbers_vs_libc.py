"""C's own strtol, strtod and float arithmetic against the numbers that the trtexec modules read and compute."""

import ctypes
import shutil
import string
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.report import trtexec_percentile_index
from utils.engines.trtexec.shapes import leading_float, leading_int

libc = ctypes.CDLL(None)
libc.strtol.restype = ctypes.c_long
libc.strtol.argtypes = libc.strtod.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]
libc.strtol.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int]
libc.strtod.restype = ctypes.c_double

text = st.text(" +-0123456789.eE" + string.ascii_letters, max_size=9)


def c_number(function, value, *more):
    """(number, how many characters were read) by the C library; stoi and stod throw when none was."""
    buffer = ctypes.create_string_buffer(value.encode())
    end = ctypes.c_char_p()
    start = ctypes.addressof(buffer)
    number = function(ctypes.cast(buffer, ctypes.c_char_p), ctypes.byref(end), *more)
    return number, ctypes.cast(end, ctypes.c_void_p).value - start


@settings(deadline=None)
@given(text)
def test_integers(value):
    number, read = c_number(libc.strtol, value, 10)
    if read and -(2**31) <= number < 2**31:
        assert leading_int(value) == number
    else:
        with pytest.raises(ValueError):
            leading_int(value)


@settings(deadline=None)
@given(text)
def test_decimals(value):
    # hexadecimal floats are the one form of C that is not read here
    assume("x" not in value.lower())
    number, read = c_number(libc.strtod, value)
    if read:
        got = leading_float(value)
        assert got == number or (got != got and number != number)
    else:
        with pytest.raises(ValueError):
            leading_float(value)


SOURCE = """
extern "C" int index_of(float percentile, int all) {
    const int exclude = static_cast<int>((1 - percentile / 100) * all);
    const int index = all - 1 - exclude;
    return index > 0 ? index : 0;
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("percentile")
    (folder / "p.cpp").write_text(SOURCE)
    library = folder / "p.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, folder / "p.cpp"], check=True)
    function = ctypes.CDLL(str(library)).index_of
    function.argtypes = [ctypes.c_float, ctypes.c_int]
    return function


def test_percentile_indices(compiled):
    for percentile in (0, 10, 50, 75, 90, 95, 99, 99.5, 99.9, 100):
        for count in [*range(1, 1200), 12_345, 100_000, 16_777_217]:
            assert trtexec_percentile_index(percentile, count) == compiled(percentile, count)
