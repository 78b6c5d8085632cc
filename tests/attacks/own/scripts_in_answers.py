"""EXPECT: the honest score. Scripts, links that run code, forms, frames and styles in written answers do nothing on any page."""

KIND = "submit"
CAUSE = None
MARKUP = """
<script>EVIL=1</script> <ScRiPt src=//evil.example/x.js></sCrIpT> <svg/onload=EVIL=2> <a href="javascript:EVIL=3">a</a>
[b](javascript:EVIL=4) [c](  JaVaScRiPt:EVIL=5) ![d](javascript:EVIL=6) [e](data:text/html;base64,PHNjcmlwdD4=) <form action=//evil.example><input>
<iframe src=//evil.example></iframe> <style>*{display:none}</style> <img src=//evil.example/p.png onerror=EVIL=7> <math><mtext></form>
<object data=//evil.example></object> <embed src=x> <base href=//evil.example> <meta http-equiv=refresh content="0;url=//evil.example">
[f]: javascript:EVIL=8
[f] <details open ontoggle=EVIL=9> <noscript><p title="</noscript><img src=x onerror=EVIL=10>"> <!--><script>EVIL=11</script>-->
`</code><script>EVIL=12</script>` $\\href{javascript:EVIL=13}{x}$
<javascript:EVIL=14> &lt;script&gt;EVIL=15&lt;/script&gt; <a href="&#106;avascript:EVIL=16">g</a> <x-y onclick=EVIL=17>
"""


def submit(nb, folder):
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = MARKUP
