"""Decontamination: which texts hold questions of an evaluation, by n-grams of words that tell one question apart.

`questions` reads evaluation sets of any layout, `index` hashes their n-grams, `decide` weighs what was found of them in
texts, and `evidence` looks once more, word by word, before a text is said to hold a question.
"""
