"""The gallery: a static site built from records, cards and released files, with models that run in the browser."""
