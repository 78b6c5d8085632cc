"""The course measures itself: contract, self-proof of the checks, mutants of the solutions."""
