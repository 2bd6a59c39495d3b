"""Reference formulas in NumPy, with which tests compare Keras. Each one is short, uses loops if they are clearer, and
does not import Keras or zoo. If Keras differs from the textbook, both formulas are here, under two names.

x and y are arrays, w weights, b biases, p probabilities, z logits; axes are B samples, T steps, H rows, W columns,
F features or channels, U units.
"""
