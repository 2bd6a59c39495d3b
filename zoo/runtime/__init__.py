"""Runs exported files: predictions, latency, targets, LiteRT Micro, the browser.

It must not need TensorFlow or Keras.
"""
