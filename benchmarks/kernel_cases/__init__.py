"""What benchmarks/kernels.py times: a file for each family of kernels, with a list CASES."""
