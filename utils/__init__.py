"""Reference implementations of the course, by subject."""
