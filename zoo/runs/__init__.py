"""The verbs (tune, train, export, fit, verify, reproduce) and the record, card and tables that they write.

It must not parse a command line.
"""
