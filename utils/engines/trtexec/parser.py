"""What a given release of trtexec makes of a command line: NVIDIA's option parser in Python.

trtexec takes each known option out of a bag of arguments and refuses the command if anything is
left over; hence a second `--best` is an "unknown option". A value that it cannot read, or a
combination that it forbids, stops it before it reports the leftovers.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from utils.engines.trtexec.flags import FLAGS, REPEATABLE, require_release
from utils.engines.trtexec.rules import check_combination
from utils.engines.trtexec.shapes import (
    Profile,
    Shape,
    broadcast_sources,
    complete_profile,
    leading_int,
    parse_shape_spec,
    split_argument,
)
from utils.engines.trtexec.values import check_value, parse_memory_pools, with_unit

SHAPE_FLAGS = ("minShapes", "optShapes", "maxShapes")


@dataclass
class ParsedCommand:
    """The outcome of parsing: accepted options, shapes, leftovers, warnings, and the error that stopped it.

    `options` maps a flag's name to its values; `profiles` holds tensor -> (min, opt, max) for each
    optimization profile; `run_shapes` the shapes that are run; `memory_mib` the pool sizes in MiB;
    `unknown` the leftover keys in the order of the command line, repeated where they repeat.
    """

    release: str
    options: dict[str, list[str]] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    run_shapes: dict[str, Shape] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether trtexec goes on with this command line."""
        return self.error is None and not self.unknown


@dataclass(frozen=True)
class Token:
    """One argument: its place on the command line, the part before "=", the part after it."""

    position: int
    key: str
    value: str

    @property
    def name(self) -> str:
        """The key without its dashes; "help" for -h; "" for what is no option at all."""
        return "help" if self.key == "-h" else self.key[2:] if self.key.startswith("--") else ""


def command_arguments(argv: Sequence[str] | str) -> list[str]:
    """The arguments of a command line, without the program's name; a string is split as a shell would."""
    arguments = shlex.split(argv) if isinstance(argv, str) else list(argv)
    is_program = bool(arguments) and arguments[0].rsplit("/", 1)[-1] == "trtexec"
    return arguments[1:] if is_program else arguments


def tokenize(argv: Sequence[str] | str) -> list[Token]:
    """The arguments of a command line, each split at its first "="."""
    return [Token(i, *split_argument(arg)) for i, arg in enumerate(command_arguments(argv))]


def parse_command(argv: Sequence[str] | str, release: str) -> ParsedCommand:
    """Parse a command line as trtexec of `release` ("8.6", "10.16" or "11.1") does.

    `argv` is a list of arguments or one string, with or without the leading "trtexec".
    Raises ValueError for an unknown release; whatever trtexec refuses is in the result.

    >>> parse_command("trtexec --onnx=m --workspace=1024 --best", "10.16").unknown
    ['--workspace']
    """
    require_release(release)
    parsed = ParsedCommand(release)
    bag = _Bag(tokenize(argv))
    if not bag.tokens:  # trtexec prints its help
        return parsed
    try:
        _parse(bag, parsed)
    except ValueError as error:
        parsed.error = str(error)
    else:
        parsed.unknown = [token.key for token in bag.tokens]
    return parsed


class _Bag:
    """The arguments that nobody has taken yet."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens

    def take(self, name: str, limit: int | None = None) -> list[str]:
        """Take out the first `limit` occurrences of an option (all, if None) and return their values."""
        found = [token for token in self.tokens if token.name == name][:limit]
        self.tokens = [token for token in self.tokens if token not in found]
        return [token.value for token in found]

    def take_groups(self, head: str, members: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
        """Take every `head` with the members that follow it at once, each at most once, in any order."""
        groups = []
        for token in [t for t in self.tokens if t.name == head]:
            group: dict[str, str] = {}
            taken = [token]
            for follower in self.tokens[self.tokens.index(token) + 1 :]:
                adjacent = follower.position == taken[-1].position + 1
                if not adjacent or follower.name not in members or follower.name in group:
                    break
                group[follower.name] = follower.value
                taken.append(follower)
            self.tokens = [t for t in self.tokens if t not in taken]
            groups.append((token.value, group))
        return groups


def _parse(bag: _Bag, parsed: ParsedCommand) -> None:
    release = parsed.release
    groups = bag.take_groups("profile", SHAPE_FLAGS) if release != "8.6" else []
    references = bag.take_groups("refPair", ("loadInputs", "loadRefOutputs")) if release == "11.1" else []
    for name in _readable_flags(bag, release):
        once = name not in REPEATABLE and not (release == "8.6" and name in ("output", "uffInput"))
        values = bag.take(name, 1 if once else None)
        if values:
            parsed.options[name] = values
    if groups:
        parsed.options["profile"] = [index for index, _ in groups]
    if references:
        parsed.options["refPair"] = [index for index, _ in references]
    for name, values in parsed.options.items():
        for value in values:
            check_value(name, value, release)
        advice = FLAGS[name].deprecated_in.get(release)
        if advice:
            parsed.warnings.append(f"--{name} is deprecated: {advice}")
    for value in parsed.options.get("memPoolSize", []):
        parsed.memory_mib = parse_memory_pools(value, release)
    _read_shapes(bag, parsed, groups)
    parsed.warnings += check_combination(parsed.options, release, n_profiles=max(1, len(parsed.profiles)))
    _check_references(references, parsed)


def _readable_flags(bag: _Bag, release: str) -> list[str]:
    """The flags that trtexec looks for: some are looked for only in the absence of another."""
    present = {token.name for token in bag.tokens}
    skipped = {"profile", "refPair"}
    if "vc" in present:  # of two synonyms the long one is not looked for when the short one was found
        skipped.add("versionCompatible")
    if "pi" in present:
        skipped.add("pluginInstanceNorm")
    if release == "8.6":  # the first of these formats wins, the options of the others stay over
        if "onnx" in present:
            skipped |= {"uff", "model", "deploy", "uffInput", "uffNHWC"}
        elif "uff" in present:
            skipped |= {"model", "deploy"}
        else:
            skipped |= {"uffInput", "uffNHWC"}
    return [name for name, flag in FLAGS.items() if release in flag.releases and name not in skipped]


def _read_shapes(bag: _Bag, parsed: ParsedCommand, groups: list[tuple[str, dict[str, str]]]) -> None:
    """Fill `profiles` and `run_shapes`; without --shapes the opt shapes of the chosen profile are run."""
    release, options = parsed.release, parsed.options
    if groups:
        profiles = _numbered_profiles(groups, parsed)
        second = [name for name in SHAPE_FLAGS if name in options]  # any that follow no --profile
    else:
        profiles = [_profile({name: options[name][0] for name in SHAPE_FLAGS if name in options}, parsed)]
        second = [token.name for token in bag.tokens if token.name in SHAPE_FLAGS and release != "8.6"]
    if second:
        raise ValueError(f"--{second[0]} must follow its own --profile=<i> when it is given more than once")
    calibration = {name: options[f"{name}Calib"][0] for name in SHAPE_FLAGS if f"{name}Calib" in options}
    if calibration and set(calibration) not in ({"optShapes"}, set(SHAPE_FLAGS)):
        raise ValueError("calibration shapes must be --optShapesCalib alone or all three")
    _profile(calibration, parsed)

    parsed.run_shapes = parse_shape_spec(options.get("shapes", [""])[0], release)
    index = leading_int(options.get("useProfile", ["0"])[0])
    if 0 <= index < len(profiles):
        chosen, run = profiles[index], parsed.run_shapes
        for name, (_, best, _) in chosen.items():
            run.setdefault(name, best)
        for name, shape in run.items():
            chosen.setdefault(name, (shape, shape, shape))
    parsed.profiles = [profile for profile in profiles if profile]


def _profile(flags: dict[str, str], parsed: ParsedCommand) -> Profile:
    shapes = [parse_shape_spec(flags[name], parsed.release) if name in flags else None for name in SHAPE_FLAGS]
    profile = complete_profile(*shapes)
    sources = broadcast_sources(*(name in flags for name in SHAPE_FLAGS))
    for target, source in zip(("min", "opt", "max"), sources):
        if profile and source != target:
            parsed.warnings.append(f"{source}Shapes is broadcast to {target}Shapes for {', '.join(profile)}")
    return profile


def _numbered_profiles(groups: list[tuple[str, dict[str, str]]], parsed: ParsedCommand) -> list[Profile]:
    numbered: dict[int, Profile] = {}
    for text, flags in groups:
        leading_int(text)  # refuses what has no digits
        index = int(with_unit(text))
        if index < 0 or index in numbered:
            raise ValueError(f"profile index must be new and not negative, got {text!r}")
        numbered[index] = _profile(flags, parsed)
    gap = next((index for index in range(max(numbered) + 1) if not numbered.get(index)), None)
    if gap is not None:
        raise ValueError(f"profile {gap} must have shapes right behind its --profile={gap}, got none")
    return [numbered[index] for index in sorted(numbered)]


def _check_references(references: list[tuple[str, dict[str, str]]], parsed: ParsedCommand) -> None:
    if references and len(references) < 2:
        raise ValueError("--refPair must be given at least twice, got one pair")
    if any(len(group) < 2 for _, group in references):
        raise ValueError("--refPair must be followed by --loadInputs and --loadRefOutputs")
