"""The repository root is an nbgrader course: source notebooks come from `autograder build`."""

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "model_deployment"
c.CourseDirectory.source_directory = "build/source"
c.CourseDirectory.release_directory = "course"
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
c.ExecutePreprocessor.timeout = 120
# The figure of a chapter lies beside its notebook.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__"]
