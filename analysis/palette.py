"""How every figure looks: colours, fonts, width."""

from typing import Any

# From the palette of Okabe and Ito, told apart by the colour-blind too.
BLUE, RED, INK = "#0072B2", "#D55E00", "#222222"
GREY, PALE, PALE_GREY = "#8a8a8a", "#cfcfcf", "#e6e6e6"
PALE_BLUE, PALE_RED = "#dcebf5", "#fae3d4"

WIDTH_IN = 9.6  # of the page's column
DPI = 200  # of dots and ticks that are drawn as pixels: two for each of the page's
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.hashsalt": "imagery",
    "svg.fonttype": "path",
}
