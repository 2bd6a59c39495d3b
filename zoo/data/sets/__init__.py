"""Named data sets, one file each: `SOURCE` describes it, a function of the file's name loads it.

`zoo.data.sources` finds the files. Their top level imports neither NumPy nor TensorFlow, so that listing is quick.
"""
