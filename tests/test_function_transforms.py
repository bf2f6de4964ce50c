"""A Function of one's own under vmap and forward mode, by the rules that its author gives, against torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.func  # noqa: E402
from parity.harness import assert_same  # noqa: E402

SAMPLE = np.random.default_rng(0)
X, Y = SAMPLE.standard_normal((4, 3)), SAMPLE.standard_normal((4, 3))


def functions(lib):
    """x ** 2 * y and x + y, with rules that are wrong on purpose by a factor of their own, to see which one was taken."""

    class Generated(lib.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, y, k):
            return x**2 * y * k, x + y

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, y, ctx.k = inputs
            ctx.save_for_backward(x, y)
            ctx.save_for_forward(x, y)

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return 2 * x * y * ctx.k * g + h, x**2 * ctx.k * g + 5 * h, None

        @staticmethod
        def jvp(ctx, tx, ty, tk):
            x, y = ctx.saved_tensors
            return 2 * x * y * ctx.k * tx + 7 * x**2 * ctx.k * ty, tx + ty

    class Given(Generated):
        generate_vmap_rule = False
        seen: list = []

        @staticmethod
        def vmap(info, in_dims, x, y, k):
            Given.seen.append((info.batch_size, info.randomness, [dim is None for dim in in_dims]))
            x = x.movedim(in_dims[0], 0) if in_dims[0] is not None else x
            y = y.movedim(in_dims[1], 0) if in_dims[1] is not None else y
            first, second = Given.apply(x, y, k)
            return (3 * first, second.movedim(0, -1)), (0, second.ndim - 1)

    class Old(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] ** 2 * g

        @staticmethod
        def jvp(ctx, t):
            return 30 * ctx.saved_tensors[0] ** 2 * t

    class Bare(lib.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

    class Both(Given):
        generate_vmap_rule = True

    return {"Generated": Generated, "Given": Given, "Old": Old, "Bare": Bare, "Both": Both}


def total(f):
    return lambda *args: sum(z.sum() for z in f(*args, 2.0))


def forward_ad(lib, f, x, t):
    fw = lib.autograd.forward_ad
    with fw.dual_level():
        z = f(fw.make_dual(x, t))
        return tuple(fw.unpack_dual(z))


PROGRAMS = {
    "vmap, generated": lambda lib, F, x, y: lib.func.vmap(F["Generated"].apply, (0, 0, None))(x, y, 2.0),
    "vmap over another dimension": lambda lib, F, x, y: lib.func.vmap(F["Generated"].apply, (1, None, None))(x, y[:, 0], 2.0),
    "vmap, given": lambda lib, F, x, y: lib.func.vmap(F["Given"].apply, (0, 0, None), (0, 0))(x, y, 2.0),
    "vmap, given, one argument for all": lambda lib, F, x, y: lib.func.vmap(F["Given"].apply, (1, None, None))(x, y[:, 0], 2.0),
    "vmap of vmap": lambda lib, F, x, y: lib.func.vmap(lib.func.vmap(F["Given"].apply, (0, 0, None)), (0, 0, None))(x, y, 2.0),
    "gradients of every example": lambda lib, F, x, y: lib.func.vmap(lib.func.grad(total(F["Given"].apply), (0, 1)))(x, y),
    "gradients of every example, generated": lambda lib, F, x, y: lib.func.vmap(lib.func.grad(total(F["Generated"].apply), (0, 1)))(x, y),
    "gradient of a vmap, one argument for all": lambda lib, F, x, y: lib.func.grad(
        total(lib.func.vmap(F["Generated"].apply, (0, None, None))), (0, 1)
    )(x, y[0]),
    "jvp of a vmap": lambda lib, F, x, y: lib.func.jvp(
        lambda a, b: lib.func.vmap(F["Generated"].apply, (0, 0, None))(a, b, 2.0), (x, y), (y, x)
    ),
    "gradient of a vmap": lambda lib, F, x, y: lib.func.grad(total(lib.func.vmap(F["Generated"].apply, (0, 0, None))), (0, 1))(x, y),
    "jvp": lambda lib, F, x, y: lib.func.jvp(lambda a, b: F["Generated"].apply(a, b, 2.0), (x, y), (y, x)),
    "jvp, one tangent": lambda lib, F, x, y: lib.func.jvp(lambda a: F["Generated"].apply(a, y, 2.0), (x,), (y,)),
    "jvp of a gradient": lambda lib, F, x, y: lib.func.jvp(lib.func.grad(total(F["Generated"].apply)), (x, y), (y, x)),
    "jacfwd": lambda lib, F, x, y: lib.func.jacfwd(total(F["Generated"].apply))(x, y),
    "dual numbers, old style": lambda lib, F, x, y: forward_ad(lib, F["Old"].apply, x, y),
    "dual numbers, no rule": lambda lib, F, x, y: forward_ad(lib, F["Bare"].apply, x, y),
    "vmap, no rule": lambda lib, F, x, y: lib.func.vmap(F["Bare"].apply)(x),
    "vmap, both rules": lambda lib, F, x, y: lib.func.vmap(F["Both"].apply, (0, 0, None))(x, y, 2.0),
    "vmap, old style": lambda lib, F, x, y: lib.func.vmap(F["Old"].apply)(x),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_function(name):
    results = []
    for lib in (minitorch, torch):
        made = functions(lib)
        try:
            outcome = PROGRAMS[name](lib, made, lib.tensor(X), lib.tensor(Y))
        except Exception as error:
            outcome = f"{type(error).__name__}: {str(error)[:60]}"
        results.append((outcome, made["Given"].seen))
    assert_same(*results, where=name)
