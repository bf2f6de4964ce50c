"""Direct convolution: one kernel behind the forward pass and the gradient of the input.

    out[n, o, i, j] = sum over channels c and taps t of weight[o, c, t] * image[n, c, i * stride + row(t), j * stride + col(t)]

It is the product of the weights with the virtual matrix of geometry.py, tile by tile. Passes over blocks of channels keep
what a tile reads in the caches; their sums accumulate in the result. Rows whose length is no multiple of a vector, and
results that belong into every second pixel, are computed into a buffer with padded rows and copied from there.
"""

import numpy as np

from .geometry import add_bands, copy_band, load_bands
from .jit import inner, njit, take
from .simd import DOT_COLUMNS, DOT_ROWS, ROWS, VECTORS, dot_tile, gather_tile


@njit
def pack_rows(matrix, groups, rows, count):
    """Panels for register tiles: matrix (groups, rows, count) -> (groups, ceil(rows / ROWS), count, ROWS), flat, zero-filled."""
    blocks = (rows + ROWS - 1) // ROWS
    panels = np.empty(groups * blocks * count * ROWS, matrix.dtype)
    for block in range(groups * blocks):
        group, first = block // blocks, block % blocks * ROWS
        for r in range(ROWS):
            start = (group * rows + first + r) * count
            valid = first + r < rows
            for k in range(count):
                panels[(block * count + k) * ROWS + r] = matrix[start + k] if valid else 0
    return panels


@njit
def correlate(counter, image, panels, out, positions, places, taps, phases, geometry, direct):
    """One thread's part of the convolution; arrays are flat.

    direct: 1 if tiles may write to `out`, whose rows are then whole vectors.
    """
    (
        batch, groups, inputs, outputs, height, width, out_height, out_width, _, _, images, rows, block, copies, _, _,
        _, _, lanes, row_vectors, source_size,
    ) = geometry  # fmt: skip
    plane = out_height * out_width
    pitch = row_vectors * lanes
    padded_copy = np.empty(source_size, image.dtype)
    buffer = np.empty(0 if direct else images * outputs * rows * pitch, image.dtype)
    tap_count = len(taps) // block
    panel_size = inputs * tap_count * ROWS
    blocks = (outputs + ROWS - 1) // ROWS
    bands = (out_height + rows - 1) // rows
    tasks = (batch + images - 1) // images * groups * bands
    task = take(counter, tasks)
    while task < tasks:
        n0, group, r0 = task // (bands * groups) * images, task // bands % groups, task % bands * rows
        n1, r1 = min(batch, n0 + images), min(out_height, r0 + rows)
        count = (n1 - n0) * (r1 - r0) * row_vectors
        if direct:
            target, pitch_out, to = out, plane, (n0 * groups + group) * outputs * plane + r0 * out_width
        else:
            target, pitch_out, to = buffer, rows * pitch, 0
        for c0 in range(0, inputs, block):
            c1 = min(inputs, c0 + block)
            if copies:
                load_bands(image, padded_copy, phases, n0, n1, group, c0, c1, r0, r1 - r0, geometry)
                source, start = padded_copy, 0
            else:
                source, start = image, (((n0 * groups + group) * inputs + c0) * height + r0) * width
            for o in range(blocks):
                panel = (group * blocks + o) * panel_size + c0 * tap_count * ROWS
                for v in range(0, count, VECTORS):
                    gather_tile(
                        target, to + o * ROWS * pitch_out, pitch_out, places, panels, panel, source, start, positions,
                        v, count - 1, taps, (c1 - c0) * tap_count, outputs - o * ROWS, c0 > 0,
                    )  # fmt: skip
        if not direct:
            for n in range(n1 - n0):
                for o in range(outputs):
                    for i in range(r1 - r0):
                        at = ((n * outputs + o) * rows + i) * pitch
                        to = (((n0 + n) * groups + group) * outputs + o) * plane + (r0 + i) * out_width
                        for j in range(out_width):
                            out[to + j] = buffer[at + j]
        task = take(counter, tasks)


@njit
def pack_taps(weight, groups, outputs, inputs, taps):
    """Panels of the transpose: weight (groups, outputs, inputs, taps) -> (groups, taps, ceil(inputs / ROWS), outputs, ROWS)."""
    blocks = (inputs + ROWS - 1) // ROWS
    panels = np.empty(groups * taps * blocks * outputs * ROWS, weight.dtype)
    for panel in range(groups * taps * blocks):
        group, tap, first = panel // (taps * blocks), panel // blocks % taps, panel % blocks * ROWS
        for o in range(outputs):
            for r in range(ROWS):
                c = first + r
                value = weight[((group * outputs + o) * inputs + c) * taps + tap] if c < inputs else 0
                panels[(panel * outputs + o) * ROWS + r] = value
    return panels


@inner
def load_gradient(grad, padded, first, groups_outputs, outputs, images, r0, rows, band_rows, height, width, pitch):
    """Copy rows r0 .. r0 + rows of the channels from `first` on to padded (images, outputs, band_rows, pitch), zeros behind."""
    for n in range(images):
        for o in range(outputs):
            copy_band(
                grad, (first + n * groups_outputs + o) * height * width, height, width, r0, 0, 1, 1,
                padded, (n * outputs + o) * band_rows * pitch, rows, pitch,
            )  # fmt: skip


@njit
def correlate_input(counter, grad, panels, out, positions, places, steps, taps, phases, geometry, copies_grad):
    """One thread's part of the gradient of the image: the adjoint of `correlate`, with the same tables; arrays are flat.

        out[n, c, i * stride + row(t), j * stride + col(t)] += sum over o of weight[o, c, t] * grad[n, o, i, j]

    For every vector of the output's gradient and every tap a tile sums over o and adds into the image (which starts
    as zeros), or into a padded copy of a band that is added to it afterwards. steps: distance from channel to channel
    of the gradient, one for each output channel.
    """
    (
        batch, groups, inputs, outputs, height, width, out_height, out_width, _, _, images, rows, block, copies, _, _,
        _, _, lanes, row_vectors, source_size,
    ) = geometry  # fmt: skip
    pitch = row_vectors * lanes
    padded_image = np.empty(source_size, grad.dtype)
    padded_grad = np.empty(images * outputs * rows * pitch if copies_grad else 0, grad.dtype)
    tap_count = len(taps) // block
    per_channel = taps[tap_count] - taps[0] if block > 1 else 0
    panel_blocks = (inputs + ROWS - 1) // ROWS
    blocks = (inputs + block - 1) // block
    plane = out_height * out_width
    tasks = (batch + images - 1) // images * groups * blocks
    task = take(counter, tasks)
    while task < tasks:
        n0, group, c0 = task // (groups * blocks) * images, task // blocks % groups, task % blocks * block
        n1, c1 = min(batch, n0 + images), min(inputs, c0 + block)
        for r0 in range(0, out_height, rows):
            r1 = min(out_height, r0 + rows)
            count = (n1 - n0) * (r1 - r0) * row_vectors
            first = (n0 * groups + group) * outputs
            if copies_grad:
                load_gradient(
                    grad, padded_grad, first, groups * outputs, outputs, n1 - n0, r0, r1 - r0, rows, out_height, out_width,
                    pitch,
                )  # fmt: skip
                right, right_start = padded_grad, 0
            else:
                right, right_start = grad, first * plane + r0 * out_width
            if copies:
                padded_image[:] = 0
                target, to = padded_image, 0
            else:
                target, to = out, (((n0 * groups + group) * inputs + c0) * height + r0) * width
            for c in range(0, c1 - c0, ROWS):
                for v in range(0, count, VECTORS):
                    for t in range(tap_count):
                        panel = ((group * tap_count + t) * panel_blocks + (c0 + c) // ROWS) * outputs * ROWS
                        gather_tile(
                            target, to + c * per_channel + taps[t], per_channel, positions, panels, panel, right,
                            right_start, places, v, count - 1, steps, outputs, c1 - c0 - c, True,
                        )  # fmt: skip
            if copies:
                add_bands(padded_image, out, phases, n0, n1, group, c0, c1, r0, r1 - r0, geometry)
        task = take(counter, tasks)


@njit
def correlate_weight(counter, image, grad, partial, chunks, positions, places, taps, phases, geometry, copies_grad):
    """One thread's part of the gradient of the weight; arrays are flat.

        partial[chunk, o, c, t] = sum over n in the chunk, i, j of
            grad[n, o, i, j] * image[n, c, i * stride + row(t), j * stride + col(t)]

    Each entry is one long dot product of planes. The batch is cut into chunks whose sums are added in the end, so that
    there are enough tasks; many short sums are also more accurate than a long one. A vector that hangs over the end
    of its row must count nothing there: then the gradient is copied to rows that end in zeros.
    """
    (
        batch, groups, inputs, outputs, height, width, out_height, out_width, _, _, images, rows, block, copies, _, _,
        _, _, lanes, row_vectors, source_size,
    ) = geometry  # fmt: skip
    pitch = row_vectors * lanes
    padded_copy = np.zeros(source_size, image.dtype)
    padded_grad = np.empty(images * outputs * rows * pitch if copies_grad else 0, image.dtype)
    tap_count = len(taps) // block
    blocks = (inputs + block - 1) // block
    image_groups = (batch + images - 1) // images
    plane = out_height * out_width
    tasks = chunks * groups * blocks
    task = take(counter, tasks)
    while task < tasks:
        chunk, group, c0 = task // (groups * blocks), task // blocks % groups, task % blocks * block
        c1 = min(inputs, c0 + block)
        columns = (c1 - c0) * tap_count
        to = ((chunk * groups + group) * outputs * inputs + c0) * tap_count
        for image_group in range(image_groups * chunk // chunks, image_groups * (chunk + 1) // chunks):
            n0 = image_group * images
            n1 = min(batch, n0 + images)
            for r0 in range(0, out_height, rows):
                r1 = min(out_height, r0 + rows)
                if copies:
                    load_bands(image, padded_copy, phases, n0, n1, group, c0, c1, r0, r1 - r0, geometry)
                    source, start = padded_copy, 0
                else:
                    source, start = image, (((n0 * groups + group) * inputs + c0) * height + r0) * width
                first = (n0 * groups + group) * outputs
                if copies_grad:
                    left, left_start, left_pitch = padded_grad, 0, rows * pitch
                    load_gradient(
                        grad, padded_grad, first, groups * outputs, outputs, n1 - n0, r0, r1 - r0, rows, out_height,
                        out_width, pitch,
                    )  # fmt: skip
                else:
                    left, left_start, left_pitch = grad, first * plane + r0 * out_width, plane
                for o in range(0, outputs, DOT_ROWS):
                    for k in range(0, columns, DOT_COLUMNS):
                        dot_tile(
                            partial, to + o * inputs * tap_count + k, inputs * tap_count, left, left_start + o * left_pitch,
                            left_pitch, places, source, start, positions, (n1 - n0) * (r1 - r0) * row_vectors, taps, k,
                            outputs - o, columns - k,
                        )  # fmt: skip
        task = take(counter, tasks)
