# %% [markdown]
# # 91 · The light assignment
#
# One exercise and no imports. It measures a grader, not a learner.

# %% [markdown]
# ## The short answer
#
# Two times a number is the number added to itself.
#
# ## How it works
#
# $2x = x + x$.
#
# ## See it
#
# 2, 4, 6, 8.
#
# ## Exercises

# %% [markdown] about="double"
# Return two times `x`.

# %% exercise="double"
def double(x):
    """Two times x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% check="double"

# %% [markdown]
# ## Measure it
#
# `benchmarks/grade_scale.py` grades this notebook 10,000 times.
#
# ## What the source says
#
# Nothing.
#
# ## Explain it
#
# There is nothing to explain.
#
# ## Practise
#
# There is nothing to practise.
#
# ## Glossary
#
# None.
#
# ## Sources
#
# None.
