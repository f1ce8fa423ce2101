"""Every number on one page, a chart for each case: `python -m benchmarks.page OUT`.

Rules of residence: nothing is measured here. `plan` says what is run and how large,
`results` reads what the suites have written, `wins` finds where a rival is quicker and
`reasons` says why, `charts` and `html` show it.
"""
