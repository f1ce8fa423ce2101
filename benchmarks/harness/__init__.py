"""What takes a suite's samples, each in a process of its own, and judges them.

    suite -> case -> runner -> sample        tables, verdicts, report, machine
    command --^
"""
