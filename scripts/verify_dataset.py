"""Check a finished dataset: the same as `phase0 verify`."""

from _start import command

if __name__ == "__main__":
    command("verify")
