"""A plugin for pytest: the garbage collector runs whenever it can."""

import gc

gc.set_threshold(1)
