"""Interactive figures: pure drawing functions and thin ipywidgets shells."""
