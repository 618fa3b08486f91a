"""De-duplication in partitions: what no single machine holds, by one `map` after another over files that all see.

Rows are numbered in input order. Every task reads files and writes files, each of which appears whole or not at all, so
that a task may be done again, by anyone, with the same result.
"""
