"""From a master to a source notebook to a learner's notebook."""
