"""How French pages write numbers for machines, in SVG and data attributes: with a point, as everywhere.

Numbers for people go through the filter ``figure``, which writes the comma. Dates are Django's own French ones.
"""

DECIMAL_SEPARATOR = "."
