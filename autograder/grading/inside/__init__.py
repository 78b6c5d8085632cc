"""What shares a machine with learners' code: the fork server, the keeper of each sandbox, the walls.

Copied alone, beside the probes, into the fork server's folder. Standard library only; nothing here knows an
exercise, a reference, a seed or another submission.
"""

# The walls that a child puts up itself, as results name them.
SPACES, SCRATCH, LANDLOCK, SECCOMP, LIMITS = "namespaces", "private scratch", "landlock", "seccomp", "limits"
