"""What can be read off an answer without a model: one file per kind of evidence, each a pure function of a Reading.

Every check is linear in the text it sees, never raises for any text, and yields a Finding for each thing it found.
"""
