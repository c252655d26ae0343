"""`python -m fastsio` is the command line."""

import sys

from fastsio.cli import main

sys.exit(main())
