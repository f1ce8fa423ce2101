"""How fast the queue is, beside what else a person could take.

    cases, figures -> harness -> measure -> rivals          python -m benchmarks

The other rooms are suites of their own (`python -m benchmarks.workers`, ...), `page` draws
what they found, and `pieces` are measured with pytest-benchmark. Nothing here is imported
by the package.
"""
