"""The serving simulator as a figure: one server, nine chapters, each with its question and its knobs.

`serving_simulator("45")` shows it as chapter 45 starts it. What is simulated is in `utils.serving.llm_simulator`.
"""

from .picture import serving_picture, serving_table
from .presets import PRESETS, Preset
from .settings import DEFAULTS
from .shell import serving_simulator, static_picture

__all__ = ["DEFAULTS", "PRESETS", "Preset", "serving_picture", "serving_simulator", "serving_table",
           "static_picture"]
