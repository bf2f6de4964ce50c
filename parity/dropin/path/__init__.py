"""A folder for `sys.path`: what stands here is found before the PyTorch that is installed."""
