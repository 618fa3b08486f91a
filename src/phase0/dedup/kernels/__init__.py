"""The inner loops of de-duplication, compiled by numba: arrays in, arrays out, nothing of texts, files or settings.

Suffixes of names are shapes. Each kernel has a twin in `slow`, which tests hold it equal to.
"""
