"""`python -m freehold`: the command line."""

from freehold.cli import main

if __name__ == "__main__":
    main()
