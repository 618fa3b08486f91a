"""The stages: each a function from finished files to a finished file."""
