"""The suite on builds of the core that are made to find what an ordinary one hides.

`python -m tests.builds sanitized` and `python -m tests.builds covered` each build a copy of
the tree with the switches of setup.py, and run pytest in it; what follows is pytest's.
"""
