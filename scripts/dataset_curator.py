"""Answer a share of the rows with one teacher: the same as `phase0 distill`."""

from _start import command

if __name__ == "__main__":
    command("distill")
