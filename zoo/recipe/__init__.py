"""Describes one run as values: recipe, task, optimizer, schedule, and where recipes are found. It must not train or write results."""
