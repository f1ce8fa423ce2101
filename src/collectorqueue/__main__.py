"""`python -m collectorqueue` is the command `collectorqueue`."""

import sys

from collectorqueue.cli import main

sys.exit(main())
