"""Units as people type them: a prefix and a base, over another, compared by what they measure."""

from __future__ import annotations

import re
from dataclasses import dataclass

DECIMAL = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
BINARY = {f"{p}i": 2.0 ** (10 * n) for n, p in enumerate("KMGTPE", 1)} | {"ki": 2.0**10}
SMALL = {"m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12}

# What is measured, and how much one of it is. Names without a prefix stand below.
_BASES: dict[str, tuple[str, float, dict[str, float]]] = {}
for _names, _measure, _size, _prefixes in (
    (("B", "byte", "bytes", "Byte", "Bytes"), "B", 1.0, DECIMAL | BINARY),
    (("bit", "bits", "b"), "B", 1 / 8, DECIMAL | BINARY),
    (("FLOP", "FLOPs", "flop", "flops"), "FLOP", 1.0, DECIMAL),
    (("MAC", "MACs"), "MAC", 1.0, DECIMAL),
    (("OP", "OPs", "op", "ops"), "OP", 1.0, DECIMAL),
    (("s", "sec", "second", "seconds"), "s", 1.0, SMALL),
    (("W", "watt", "watts"), "W", 1.0, DECIMAL | SMALL),
    (("J", "joule", "joules"), "J", 1.0, DECIMAL | SMALL),
    (("Hz",), "Hz", 1.0, DECIMAL),
    (("m", "metre", "metres", "meter", "meters"), "m", 1.0, SMALL | {"k": 1e3}),
    (("token", "tokens", "tok"), "token", 1.0, DECIMAL),
    (("param", "params", "parameter", "parameters"), "parameter", 1.0, DECIMAL),
):
    _BASES |= dict.fromkeys(_names, (_measure, _size, _prefixes))

_WHOLE: dict[str, tuple[float, str, str]] = {  # name: (how much, of what, over what)
    "min": (60.0, "s", ""), "minute": (60.0, "s", ""), "minutes": (60.0, "s", ""), "h": (3600.0, "s", ""),
    "hour": (3600.0, "s", ""), "hours": (3600.0, "s", ""), "day": (86400.0, "s", ""), "days": (86400.0, "s", ""),
    "d": (86400.0, "s", ""), "Wh": (3600.0, "J", ""), "kWh": (3.6e6, "J", ""), "%": (1e-2, "", ""),
    "percent": (1e-2, "", ""), "x": (1.0, "", ""), "×": (1.0, "", ""), "times": (1.0, "", ""), "time": (1.0, "", ""),
    "million": (1e6, "", ""), "billion": (1e9, "", ""), "bn": (1e9, "", ""), "thousand": (1e3, "", ""),
    "fps": (1.0, "frame", "s"), "FPS": (1.0, "frame", "s"), "qps": (1.0, "query", "s"), "QPS": (1.0, "query", "s"),
    "rps": (1.0, "request", "s"), "$": (1.0, "USD", ""), "USD": (1.0, "USD", ""), "dB": (1.0, "dB", ""),
    "queries": (1.0, "query", ""),
    "秒": (1.0, "s", ""), "毫秒": (1e-3, "s", ""), "微秒": (1e-6, "s", ""), "分钟": (60.0, "s", ""),
    "小时": (3600.0, "s", ""), "天": (86400.0, "s", ""), "字节": (1.0, "B", ""), "比特": (1 / 8, "B", ""),
    "倍": (1.0, "", ""), "万": (1e4, "", ""), "百万": (1e6, "", ""), "亿": (1e8, "", ""),
    "kb": (1e3, "B", ""), "kib": (2.0**10, "B", ""),  # as mb and gb: bytes are meant
}
for _prefix, _factor in {"": 1.0, **DECIMAL}.items():
    _WHOLE |= {f"{_prefix}FLOPS": (_factor, "FLOP", "s"), f"{_prefix}OPS": (_factor, "OP", "s"),
               f"{_prefix}bps": (_factor / 8, "B", "s"), f"{_prefix}Bps": (_factor, "B", "s")}
_COUNTS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, **BINARY}  # "7.5 M" of a plain number


@dataclass(frozen=True)
class Unit:
    """`factor` times what is measured: names multiplied (`top`) over names multiplied (`below`), each sorted."""

    factor: float
    top: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    @property
    def measure(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.top, self.below


def parse_unit(text: str) -> Unit:
    """Read "GB/s", "MiB", "TFLOPS", "tokens per second", "FLOP/byte", "%", "" or a word that is counted ("steps").

    Upper and lower case are told apart where it matters (`Gb` are gigabits), and forgiven where only one reading
    makes sense (`gb/s`). Raises ValueError with a sentence for what is no unit.
    """
    factor, top, below = 1.0, [], []
    told = re.sub(r"\s+per\s+", "/", text.strip())
    for number, part in enumerate(told.split("/")):
        for name in re.split(r"[·*]|(?<=\w)\s+(?=\w)", part.strip()) if part.strip() else []:
            size, over, under = _named(name.strip())
            factor = factor * size if number == 0 else factor / size
            (top if number == 0 else below).extend([over] if over else [])
            (below if number == 0 else top).extend([under] if under else [])
        if told and number and not part.strip():
            raise ValueError(f"{text[:20]!r} is no unit: something is missing after the stroke")
    for name in [n for n in top if n in below]:
        top.remove(name)
        below.remove(name)
    return Unit(factor, tuple(sorted(top)), tuple(sorted(below)))


def _named(name: str) -> tuple[float, str, str]:
    """(how much, of what, over what) of one name."""
    if name in _WHOLE:
        return _WHOLE[name]
    if name in _COUNTS:
        return _COUNTS[name], "", ""
    found = _prefixed(name) or _forgiven(name)
    if found is not None:
        return found
    if re.fullmatch(r"[^\W\d_]+(?:-[^\W\d_]+)*", name) and len(name) <= 30:
        return 1.0, _singular(name), ""  # a word for what is counted
    raise ValueError(f"{name[:20]!r} is no unit")


def _prefixed(name: str) -> tuple[float, str, str] | None:
    if name in _BASES:
        measure, size, _ = _BASES[name]
        return size, measure, ""
    for base, (measure, size, prefixes) in _BASES.items():
        if name.endswith(base) and name[: -len(base)] in prefixes:
            return prefixes[name[: -len(base)]] * size, measure, ""
    return None


def _forgiven(name: str) -> tuple[float, str, str] | None:
    """What "gb", "MHZ" or "kwh" mean: in small letters bytes, never bits; a prefix as typed where the base takes it."""
    low = name.lower()
    for whole, meaning in _WHOLE.items():
        if whole.lower() == low:
            return meaning
    for base, (measure, size, prefixes) in _BASES.items():
        head = name[: len(name) - len(base)]
        if base != "b" and low.endswith(base.lower()):
            fitting = [p for p in ("", *prefixes) if p.lower() == head.lower()]
            if fitting:
                prefix = head if head in fitting else fitting[0]
                return (prefixes[prefix] if prefix else 1.0) * size, measure, ""
    return None


def _singular(word: str) -> str:
    low = word.lower()
    return low[:-1] if len(low) > 3 and low.endswith("s") and not low.endswith("ss") else low
