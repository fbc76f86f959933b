"""`python -m flows` is the `winback` command."""

import sys

from flows.cli import main

sys.exit(main())
