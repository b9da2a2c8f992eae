"""``python -m deploy``: the ``leadloop`` command line."""

from deploy.cli import main

main()
