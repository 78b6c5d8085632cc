"""EXPECT: 0. The notebooks with the solutions can't be read."""

KIND = "cell"
CAUSE = r"not defined|FileNotFoundError|raised"
CELL = r"""
import glob, json

for place in ["../" * n for n in range(1, 9)] + ["COURSE/", "REPOSITORY/"]:
    for path in glob.glob(place + "build/source/*/*.ipynb") + glob.glob(place + "source/*/*.ipynb"):
        for cell in json.load(open(path))["cells"]:
            source = "".join(cell["source"])
            if "BEGIN SOLUTION" in source:
                exec(source, globals())
for path in glob.glob("REPOSITORY/solutions/*.py"):
    exec(open(path).read(), globals())
open("REPOSITORY/README.md").read()
"""
