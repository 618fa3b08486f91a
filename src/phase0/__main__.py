"""`python -m phase0`: the same as the `phase0` command."""

from phase0.cli import main

if __name__ == "__main__":
    main()
