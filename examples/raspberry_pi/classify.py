"""Prints the label and the outputs for each line of numbers: python classify.py MODEL.tflite < NUMBERS"""

import sys

import numpy as np
from deploy import Runner  # zoo/deploy.py, copied beside this file

runner = Runner(sys.argv[1])
for line in sys.stdin:
    sample = np.array(line.replace(",", " ").split(), "float32").reshape(runner.input_shape)
    (outputs,) = runner.predict(sample)
    print(runner.labels[outputs.argmax()] if len(runner.labels) == len(outputs) else "", *outputs)
