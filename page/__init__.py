"""The gallery: a static site from records, cards and released files, with models that run in the page."""
