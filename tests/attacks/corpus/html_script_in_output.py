"""EXPECT: 0. What a cell displays reaches no page."""

KIND = "cell"
CAUSE = r"not defined|raised"
CELL = r"""
from IPython.display import HTML, SVG, Javascript, display

display(HTML("<script>window.EVIL=1</script><img src=x onerror='EVIL=2'>"))
display(Javascript("window.EVIL=3"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='EVIL=4'/>"))
raise ValueError("<script>EVIL=5</script>")
"""
