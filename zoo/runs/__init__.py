"""The verbs (tune, train, export, fit, verify, reproduce) and the record, card and tables they leave. It must not parse a command line."""
