"""Interview practice: the questions as data, and the ways to ask them."""
