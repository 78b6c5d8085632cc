"""An instructor's commands over an nbgrader course: everything before and after the grading itself.

create        a course from nothing, or more chapters for one that is there
archive       reads a zip that somebody else made, within limits
naming        what Canvas, Moodle and plain folders call the files of a submission
roster        who is who: an LMS's list of the class
importing     an LMS's download into `submitted/`
book          nbgrader's gradebook as plain rows
export        grades as CSV, or as Canvas and Moodle import them
status        who handed in, what is graded, what waits
statistics    what the class got right, and which mistakes it made; `plot` draws it
fingerprints, similar   submissions that are nearly the same
commands      the command line
"""

from __future__ import annotations


class ClassroomError(ValueError):
    """A command can't do what was asked: one sentence that says what to do."""
