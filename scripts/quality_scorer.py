"""Score rows and keep those above a threshold: the same as `phase0 score`."""

from _start import command

if __name__ == "__main__":
    command("score")
