"""Side-by-side measurements against what a user would pick instead; each is a command, `python -m benchmarks.<name>`."""
