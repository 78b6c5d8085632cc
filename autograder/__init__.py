"""The autograder: exercises, checks, notebooks, practice and class grading.

A notebook needs one line of it: `from autograder.check import check`.
"""
