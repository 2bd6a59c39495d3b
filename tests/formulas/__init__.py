"""A text book in plain NumPy: what tests hold Keras to. Each formula is short, loops where a loop says it best, and
knows nothing of Keras or zoo. Where Keras and a text book differ, both are here, under two names.

x and y are arrays, w weights, b biases, p probabilities, z logits; axes are B samples, T steps, H rows, W columns,
F features or channels, U units.
"""
