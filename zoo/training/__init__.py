"""Trains one compiled model: the loop, checkpoints, devices, distillation, diagnosis. It must not know searches, exports or runs."""
