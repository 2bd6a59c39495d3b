"""Argument checks, errors, atomic files, tables and plots that every room uses. It must not import any other room."""
