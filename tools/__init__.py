"""For maintainers: release verified runs, and measure again what is released. Not part of the package."""
