"""Buys what a ledger does not have yet, from endpoints that are slow, limited and unreliable: online and in batches."""
