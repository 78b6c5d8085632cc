"""Masters: each kind of mistake is one sentence with file and line."""

import re

import pytest

from autograder.notebooks.master import SECTIONS, MasterError, check_names, read_master

HEAD = "# %% [markdown]\n# # 12 · Title\n# **题**\n\n"
BODY = "".join(f"# %% [markdown]\n# ## {s}\n# text\n\n" for s in SECTIONS[:4])
TRIPLE = '''# %% [markdown] about="f"
# Write f.

# %% exercise="f"
def f():
    ### BEGIN SOLUTION
    return 1
    ### END SOLUTION

# %% check="f"
check("12.f", f)

'''
TAIL = "".join(f"# %% [markdown]\n# ## {s}\n# text\n\n" for s in SECTIONS[4:])
GOOD = HEAD + "# %% setup\nimport numpy as np\n\n" + BODY + TRIPLE + TAIL


def read(tmp_path, text):
    path = tmp_path / "12_flops.py"
    path.write_text(text, encoding="utf-8")
    return read_master(path)


def test_a_good_master(tmp_path):
    master = read(tmp_path, GOOD)
    assert master.checks == ["f"] and master.setup == ["import numpy as np"]
    assert master.solutions["f"].solution == "def f():\n    return 1"
    assert master.count("about") == 1


@pytest.mark.parametrize("change, part", [
    ((TRIPLE, TRIPLE.replace("### END SOLUTION", "")), "left open"),
    ((TRIPLE, TRIPLE.replace("    ### BEGIN SOLUTION\n", "")), "come in turn"),
    ((TRIPLE, TRIPLE.replace("    ### BEGIN SOLUTION\n", "").replace("    ### END SOLUTION\n", "")), "has no ### BEGIN SOLUTION"),
    ((TRIPLE, TRIPLE + TRIPLE), "there twice"),
    ((TRIPLE, TRIPLE.replace('# %% exercise="f"', '# %% exercise="g"')), "no exercise before it"),
    ((TRIPLE, TRIPLE.replace('# %% check="f"\ncheck("12.f", f)\n', "")), 'no cell check="f"'),
    ((TRIPLE, TRIPLE.replace('about="f"', 'about="h"')), 'no cell about="f"'),
    ((TRIPLE, TRIPLE.replace('exercise="f"', 'exercise="f" figure="x"')), "'figure' is not known"),
    ((TRIPLE, TRIPLE.replace('# %% exercise="f"', "# %% exercize")), "is not a role"),
    (("return 1", "return ("), "is not Python"),
    (("import numpy as np", "from utils.cost import flops"), "may not import utils.cost"),
    (("import numpy as np", "import autograder"), "may not import autograder"),
    (("# ## Glossary", "# ## Glosary"), "'## Glossary' is missing"),
    (("# # 12 ", "# # 13 "), "must be a title"),
    (("# ## Sources\n# text", '# ## Sources\n# text\n\n# %% [markdown] task="t"\n# ### BEGIN SOLUTION\n# a\n# ### END SOLUTION'), "needs points"),
])
def test_each_mistake_is_one_sentence_with_file_and_line(tmp_path, change, part):
    text = GOOD.replace(*change)
    assert text != GOOD
    with pytest.raises(MasterError) as raised:
        read(tmp_path, text)
    sentence = str(raised.value)
    assert part in sentence and re.match(r".*12_flops\.py:\d+: ", sentence) and "\n" not in sentence


def test_the_line_is_the_cells_own(tmp_path):
    text = GOOD.replace("return 1", "return (")
    with pytest.raises(MasterError) as raised:
        read(tmp_path, text)
    line = int(str(raised.value).split(":")[1])
    assert text.split("\n")[line - 1] == '# %% exercise="f"'


def test_sections_out_of_order(tmp_path):
    swapped = GOOD.replace("# ## Glossary", "# ## X").replace("# ## Practise", "# ## Glossary").replace("# ## X", "# ## Practise")
    with pytest.raises(MasterError, match="out of order"):
        read(tmp_path, swapped)


def test_text_before_the_first_cell(tmp_path):
    with pytest.raises(MasterError, match="before the first"):
        read(tmp_path, "import os\n" + GOOD)


def test_not_a_master_at_all(tmp_path):
    for text in ("", "hello", "# %%\n"):
        with pytest.raises(MasterError):
            read(tmp_path, text)
    with pytest.raises(OSError):
        read_master(tmp_path / "missing.py")


def test_a_chinese_twin_is_kept_out_of_the_english_edition(tmp_path):
    master = read(tmp_path, GOOD.replace(TRIPLE, TRIPLE + '# %% [markdown] lang="zh"\n# ## 中文\n\n'))
    assert [c.lang for c in master.cells].count("zh") == 1


def test_no_other_cell_may_bind_the_learners_name(tmp_path):
    shadow = GOOD.replace(TRIPLE, "# %%\nfrom math import floor as f\n\n" + TRIPLE)
    with pytest.raises(MasterError, match="binds 'f'"):
        check_names(read(tmp_path, shadow), {"f"})
    check_names(read(tmp_path, GOOD), {"f"})
