"""The autograder: exercises, checks, notebooks, practice and class grading."""
