"""Argument checks, errors, atomic files, tables, plots and progress that every room uses.

It must not import any other room.
"""
