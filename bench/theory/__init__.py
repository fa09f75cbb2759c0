"""What formulas and models predict, to be drawn over what was measured; the divergence between the two is a number.

A model knows nothing of a protocol's code: where both agree, each is evidence for the other, and where they do not, one
of them has overlooked something.
"""

from .divergence import Divergence, divergence

__all__ = ["Divergence", "divergence"]
