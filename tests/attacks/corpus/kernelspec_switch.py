"""EXPECT: the honest score. The language that a notebook asks for is not looked at."""

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    nb.metadata["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}
    nb.metadata["language_info"] = {"name": "bash"}
