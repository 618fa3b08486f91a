"""Remove near-duplicates and write the finished dataset: the same as `phase0 dedup --publish`."""

from _start import command

if __name__ == "__main__":
    command("dedup", "--publish")
