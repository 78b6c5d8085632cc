"""How the practice looks. Colours come from Textual's theme; no state is told by colour alone."""

LOOK = """
Screen { layout: vertical; }
Told { height: auto; width: 1fr; }
#head { background: $panel; color: $text; text-style: bold; padding: 0 1; }
#notice { color: $text-warning; padding: 0 1; }
#paper { height: 1fr; padding: 1 1 0 1; scrollbar-size-vertical: 1; }
Hints { background: $panel; padding: 0 1; link-style: none; link-color: $text; link-background: transparent;
        link-style-hover: underline; link-color-hover: $text; link-background-hover: transparent; }
.soft { color: $text-muted; }

Row:focus { background: $boost; text-style: bold; }
Card { height: auto; }
#text { margin-bottom: 1; }
#verdict { margin: 1 0; }
.line { height: auto; }
.prompt { width: 2; }
#input { width: 1fr; max-width: 60; }
.choice { padding: 0; }
.in-hand { background: $boost; }
ChoiceCard .choice { margin-bottom: 1; }
ChoiceCard #verdict { margin: 0 0 1 0; }
#words { height: 6; border: round $border; }
#said, #points { margin-top: 1; }
#points { height: auto; }
#model { margin-top: 1; }
#source { margin: 0 0 0 2; }
#code { height: 1fr; }
Document { padding: 0; }
Document MarkdownH1, Document MarkdownH2, Document MarkdownH3 { margin: 0 0 1 0; content-align: left top; width: 1fr;
    color: $text; background: transparent; text-style: bold; }
Document MarkdownFence { overflow: hidden; margin: 0 0 1 0; }
Document MarkdownFence > Label { width: 1fr; padding: 0 2; }
Document MarkdownTableContent > .cell, Document MarkdownTableContent > .header { text-overflow: fold; }

Confirm, Picker { align: center middle; }
.box { width: 90%; max-width: 70; height: auto; max-height: 100%; border: round $border; background: $surface;
       padding: 0 1; }
.box Hints { margin-top: 1; padding: 0; background: $surface; }
.box OptionList { height: auto; max-height: 65vh; border: none; padding: 0; }
"""
