"""EXPECT: the honest score, and no script on the feedback page: prose that was handed out comes from the course."""

KIND = "submit"
CAUSE = None
SCRIPT = ("<script>window.EVIL=1</script><img src=x onerror='EVIL=2'>"
          "<iframe srcdoc='<script>parent.EVIL=3</script>'></iframe>")


def submit(nb, folder):
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = SCRIPT
