"""Download public datasets and combine them: the same as `phase0 download`."""

from _start import command

if __name__ == "__main__":
    command("download")
