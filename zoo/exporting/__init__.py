"""Turns a Keras model into TFLite files: strategies, precisions, conversion, metadata.

It must not know recipes, data sets or runs.
"""
