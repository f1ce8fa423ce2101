"""Charts as SVG, as text: no dependency, no script, light or dark as the reader has it.

Rules of residence: how things are drawn, and nothing of what is measured. `svg` has the
elements and the colours, `axis` says where a value is; `lines` and `rows` are charts.
"""
