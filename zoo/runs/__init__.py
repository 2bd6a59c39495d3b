"""The verbs: tune, train, export, run, fit, verify, reproduce; and what they write: records, cards, tables, plots.

It must not know the command line.
"""
