"""From what size on which kernel is the fastest: the one table that `auto` decides by.

Measured on a 2-core AMD EPYC (Zen, AVX2), one thread, float32. `minitorch kernels tune` measures them anew on the
machine at hand and prints both sides of each limit; with --write it puts what it found in here. The limits are
constants, not measured when a program starts: a program must choose the same way, and so give the same bits,
every time.
"""

# Matrix products, against NumPy's BLAS.
PRODUCT = 2048  # elements of the first of two batches, from which on a kernel is worth calling
ALONE = 262144  # multiply-adds, up to which OpenBLAS runs a product in one thread
ALONE_VECTOR = 9000  # the same for a product with a vector
TWO_ROWS = 40000  # elements of the second matrix, from which on two rows are two products with a vector
TINY_PRODUCTS = 64  # multiply-adds of each matrix of a batch, up to which plain loops are faster

# Convolutions, of the ways in conv_ways.py and depthwise_ways.py.
CHANNELS = 13  # channels of the result per group, from which on they fill the lanes better than pixels
SMALL_PLANE = 1600  # pixels, up to which a depthwise convolution takes the plane as one run (at a stride: its columns)
WINOGRAD = 64  # 2 x 2 tiles in the batch that pay for transforming the filters,
WINOGRAD_WEIGHT = 150  # and for transforming their gradient back
