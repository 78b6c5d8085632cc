"""environment.yml and pyproject.toml name the same packages and bounds, each with its reason."""

import re
import tomllib

from autograder.chapters import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")


def listed():
    lines = re.findall(r"^      - ([^#\n]+?)\s*(#.*)?$", ENVIRONMENT, re.M)
    return {line: reason for line, reason in lines if not line.startswith("-e")}


def test_the_same_packages_and_bounds():
    assert set(listed()) == set(PROJECT["dependencies"])


def test_the_same_python():
    assert f"python{PROJECT['requires-python']}" in ENVIRONMENT.replace("- python", "python")


def test_each_line_has_its_reason():
    assert all(reason for reason in listed().values())


def test_torch_2_13_0_satisfies_the_bounds():
    from packaging.specifiers import SpecifierSet

    torch = next(d for d in PROJECT["dependencies"] if d.startswith("torch"))
    assert "2.13.0" in SpecifierSet(torch.removeprefix("torch"))


def test_pythons_3_11_to_3_13_are_allowed():
    from packaging.specifiers import SpecifierSet

    bounds = SpecifierSet(PROJECT["requires-python"])
    assert all(v in bounds for v in ("3.11.0", "3.12.4", "3.13.1")) and "3.10.9" not in bounds
