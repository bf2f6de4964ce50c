"""The known differences from torch, each with its reason: the only place where one may stand.

An entry that matches a failing check takes it out of the failures; the report counts and prints it. An entry that
matches nothing in a full run is printed too: it has become untrue and should go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from .harness import Difference


@dataclass(frozen=True)
class Known:
    """``ops``, ``checks``, ``dtypes``, ``where`` and ``kinds`` are space-separated patterns; ``when`` must hold on this machine.

    ``within`` bounds a difference of values, as |ours - theirs| / (1 + |theirs|): what lies beyond it is not covered.
    """

    ops: str
    reason: str
    checks: str = "*"
    dtypes: str = "*"
    where: str = "*"  # the part that differs: "output[1]", "gradient[0]"
    kinds: str = "*"  # of the difference: value, dtype, shape, structure, behaviour, crash, unsupported
    within: float = float("inf")
    when: Callable[[], bool] | None = None

    def covers(self, op: str, check: str, dtype: str, found: Difference) -> bool:
        parts = (
            (self.ops, op),
            (self.checks, check),
            (self.dtypes, dtype),
            (self.kinds, found.kind),
            (self.where, found.where),
        )
        return (
            all(any(fnmatchcase(value, p) for p in patterns.split()) for patterns, value in parts)
            and found.distance <= self.within
            and (self.when is None or self.when())
        )


@cache
def torch_samples_with_mkl() -> bool:
    """On Intel CPUs torch draws scalar ``bernoulli_`` and ``exponential_`` from MKL's own generator."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = torch.empty(64).bernoulli_(0.5)
        torch.manual_seed(0)
        expected = (torch.rand(64, dtype=torch.float64) < 0.5).float()
    return not torch.equal(drawn, expected)


# Operations whose results are unique only up to signs (of eigenvectors, of singular vectors), which LAPACK
# implementations choose differently. Of these the part that is unique is compared: what torch's own tests reduce each
# sample to (`output_process_fn_grad`) before they differentiate it. Shapes and types are compared of everything.
UP_TO_SIGNS = frozenset(["linalg.eigh", "linalg.svd", "svd"])


KNOWN: tuple[Known, ...] = (
    Known(
        "nn.functional.normalize",
        "along a dimension of one element x / |x| is constant: its derivatives are the rounding that is left when equal "
        "terms cancel, in float32 some 1e-5 where the other side has 0",
        kinds="value",
        checks="grad grad2",
        dtypes="float32",
        within=1e-3,
    ),
    Known(
        "nn.functional.normalize",
        "the same in half precision, where torch leaves the rounding of its own float32 steps instead of minitorch's 0",
        checks="grad",
        dtypes="bfloat16 float16",
        kinds="value",
        within=0.5,
    ),
    Known(
        "*",
        "complex and sparse tensors are left out, and NumPy arrays have at most 64 dimensions",
        kinds="unsupported",
    ),
    Known(
        "empty empty_like new_empty",
        "the memory is not initialised: only dtype and shape are defined",
        kinds="value accuracy",
    ),
    Known(
        "*dropout* bernoulli exponential nn.functional.scaled_dot_product_attention",
        "torch draws these from MKL's generator on an Intel CPU, so its own numbers differ from machine to machine",
        kinds="value",
        when=torch_samples_with_mkl,
    ),
    Known(
        "digamma lgamma",
        "torch's trigamma is right to nine digits only; minitorch's agrees with mpmath to the last bits",
        checks="grad grad2 jvp inplace",
        kinds="value",
        within=1e-8,
    ),
    Known(
        "cholesky_inverse",
        "torch's forward derivative is wrong: its own gradient and finite differences, which agree with each other and "
        "with minitorch, say otherwise",
        checks="jvp",
        kinds="value",
    ),
    Known(
        "linalg.matrix_power matrix_power",
        "for n = 0 and n < 0 torch converts to the type of out=, for other n it refuses; minitorch refuses always",
        checks="out",
        kinds="behaviour",
    ),
    Known(
        "lu",
        "torch.lu, which is deprecated, copies factors even to an out= of integers; minitorch refuses to drop fractions",
        checks="out",
        kinds="behaviour",
    ),
    Known(
        "linalg.lu lu_unpack tril triu",
        "torch writes wrong numbers to an out= that has gaps between its elements",
        checks="out",
        kinds="value",
    ),
    Known(
        "nn.functional.hardsigmoid",
        "torch's gradient takes 1/6 rounded to float32 in every dtype; minitorch's is exact",
        checks="grad grad2 jvp inplace",
        dtypes="float64",
        kinds="value",
        within=1e-7,
    ),
    Known(
        "logcumsumexp",
        "torch's forward derivative is right to five digits only; minitorch's agrees with the sum in long double",
        checks="jvp",
        kinds="value",
        within=1e-3,
    ),
    Known(
        "nn.functional.binary_cross_entropy",
        "torch's second gradient adds 1e-12 to its denominators; minitorch's is exact",
        checks="grad2",
        dtypes="float64",
        kinds="value",
        within=1e-8,
    ),
    Known(
        "matmul __rmatmul__ nn.functional.linear",
        "into an `out` with gaps torch refuses a folded product, or gives the tensor other strides; minitorch writes",
        checks="out",
        kinds="behaviour",
    ),
    Known(
        "nn.functional.gelu nn.functional.avg_pool3d",
        "torch leaves an `out` with gaps as it was",
        checks="out",
        kinds="value",
    ),
    Known(
        "take_along_dim",
        "torch fails on an index whose memory is permuted, for which it makes a view that needs a copy",
        kinds="behaviour",
        checks="forward method",
    ),
    Known(
        "nn.functional.batch_norm nn.functional.instance_norm",
        "torch writes running statistics into an expanded tensor, or refuses to",
        checks="forward",
        where="input* call",
    ),
    Known(
        "double long float int contiguous",
        "asked for a contiguous copy of memory in another order, torch sometimes hands back the tensor itself",
        checks="forward",
        kinds="behaviour",
        where="output?0?and?input?0",
    ),
    Known(
        "kthvalue mode",
        "among equal elements torch gives the index that its selection happens to end at: the place is one of the ties",
        checks="forward method",
        dtypes="float64 float32",
        kinds="value",
        where="output[[]1]",
    ),
    Known(
        "std var std.unbiased var.unbiased",
        "torch refuses to reduce a whole half-precision tensor into an `out` of another type",
        checks="out",
        dtypes="float16 bfloat16",
        kinds="behaviour",
    ),
    Known(
        "lerp inner diff",
        "for some arguments torch refuses an `out` of another floating type that it takes for the others",
        checks="out",
        kinds="behaviour",
    ),
    Known(
        "normal normal.number_mean",
        "torch adds the mean before it resizes an `out` of another size, so it refuses it",
        checks="out",
        kinds="behaviour",
    ),
    Known(
        "kthvalue topk median nanmedian mode sort argsort",
        "among equal elements torch gives the index that its selection, which is not stable, happens to end at",
        checks="forward method",
        dtypes="int* uint8 bool float16 bfloat16",
        kinds="value",
        where="output[[]1] output",
    ),
    Known(
        "kthvalue topk median nanmedian mode sort argsort",
        "written into `out=`: the index among equal elements, as above",
        checks="out",
        dtypes="int* uint8 bool float16 bfloat16",
        kinds="value",
    ),
    Known(
        "nn.functional.interpolate.bilinear nn.functional.interpolate.bicubic nn.functional.upsample_bilinear",
        "torch resizes images of 8-bit integers in fixed-point arithmetic; minitorch asks for floats",
        dtypes="uint8",
        kinds="behaviour",
    ),
    Known(
        "__rdiv__",
        "called on a Python int, torch stumbles with an AttributeError; a TypeError says what is wrong",
        checks="error",
    ),
)


@dataclass(frozen=True)
class KnownLine:
    """A line of a random program (programs.py) that raises on one side only, or something else on each.

    ``theirs`` and ``ours`` are patterns for the class and message of torch's and of minitorch's exception, which are ""
    where nothing is raised. Where one side went on, or one ``writes`` before it raises, the program ends there.
    """

    reason: str
    theirs: str
    ours: str = "^$"
    line: str = ""
    writes: bool = False  # whether one side may have changed something before it raised
    halfway: bool = False  # whether that may be some of the `.grad`s: the program ends there if they differ

    def covers(self, line: str, theirs: str, ours: str) -> bool:
        pairs = ((self.line, line), (self.theirs, theirs), (self.ours, ours))
        return all(re.search(pattern, text) for pattern, text in pairs)


LINES: tuple[KnownLine, ...] = (
    KnownLine(
        "torch fails an assertion of its own, which it asks to be told of",
        theirs="INTERNAL ASSERT FAILED",
        ours="",
    ),
    KnownLine(
        "both refuse; of two mistakes in one line torch names the history that forbids it, which minitorch asks for last",
        theirs="view (which )?was created in no_grad mode|This view is the output of a function that returns multiple views|"
        "leaf Variable that requires grad is being used in an in-place operation",
        ours="Error: ",
    ),
    KnownLine(
        "both refuse; of two mistakes in an index and a value torch names the shape of the value first",
        theirs="shape mismatch: value tensor",
        ours="^IndexError: ",
    ),
    KnownLine(
        "a tensor turned in place (`t_`, `unsqueeze_`) in no_grad keeps its graph, which in torch goes on expecting the "
        "old shape; minitorch gives the gradient in the new one",
        theirs="returned an invalid gradient at index",
        ours="^$|has been modified by an inplace operation",
        writes=True,
    ),
    KnownLine(
        "torch has written to the elements before the index that is out of range; minitorch changes nothing",
        theirs="is out of bounds for dimension",
        ours="^IndexError: ",
        line=r"\] [-+*]?= |index_put_",
        writes=True,
    ),
    KnownLine(
        "the alias x[:] of a view is written to, then assigned to the view itself: torch looks at the view's history "
        "before it has brought it up to date, and takes it for a leaf",
        theirs="a leaf Variable that requires grad is being used in an in-place operation",
        line=r"^(with [^:]*: )?x\d+\[.*\] [-+*]= ",
    ),
    KnownLine(
        "torch writes to an expanded tensor whose history it records, and gives wrong gradients or fails in the backward "
        "pass; minitorch refuses to write",
        theirs="^$",
        ours="more than one element of the written-to tensor",
    ),
    KnownLine(
        "both refuse; of two mistakes in an index and a value torch names the memory that they share first",
        theirs="some elements of the input tensor and the written-to tensor refer to a single memory location",
        ours="^IndexError: ",
    ),
    KnownLine(
        "a backward pass that fails halfway: torch has visited every leaf that it had reached, in the order in which it "
        "reached them; minitorch visits the youngest node first, leaf or not",
        theirs="has changed the type of value|Trying to backward through the graph a second time|"
        "has been modified by an inplace operation",
        ours="has changed the type of value|Trying to backward through the graph a second time|"
        "has been modified by an inplace operation",
        line="backward",
        halfway=True,
    ),
    KnownLine(
        "a freed node made from views of no_grad alone, of which nobody asks a gradient: with several inputs torch asks "
        "first and passes over it, with one it looks at what is freed; minitorch always looks",
        theirs="^$",
        ours="Trying to backward through the graph a second time",
        line="backward",
    ),
    KnownLine(
        "torch keeps half of a registration that it has refused: a second one to the same tensor it lets through",
        theirs="^$",
        ours="A view was created in no_grad mode and has been modified",
        line="register_hook",
    ),
)


@dataclass(frozen=True)
class KnownEdge:
    """A call at the edge of what an operation takes (tests/test_boundaries.py); `pattern` describes what differs."""

    reason: str
    pattern: str


EDGES: tuple[KnownEdge, ...] = (
    KnownEdge(
        "both refuse; which class torch raises depends on the path that it takes inside, for the same mistake",
        r"(index_select|index_copy|index_fill|index_reduce\S*|scatter\S*|baddbmm|addbmm|embedding|linalg.lu_solve|"
        r"nn.functional.(multi_head_attention_forward|cross_entropy|nll_loss|bilinear|embedding|rms_norm))\(.*"
        r"minitorch raises (IndexError|RuntimeError).*torch raises (RuntimeError|IndexError|ValueError)",
    ),
    KnownEdge(
        "torch does not look at an argument that changes nothing: the dimension of a 0-th difference or of one vector's "
        "dot product, dropout of 0, the biases of nothing, indices into nothing",
        r"(diff|linalg.vecdot|index_add|\S*scaled_dot_product_attention)\(.*torch raises nothing",
    ),
    KnownEdge(
        "torch reads beyond the padded input, or leaves memory as it was, where a circular padding is negative",
        r"pad.circular\(.*\(-?\d, -?\d\)",
    ),
    KnownEdge("an unsorted topk comes in the order its selection ends in", r"forward of topk\(.*False\)"),
    KnownEdge(
        "torch takes one-dimensional vectors for dot(), which does not broadcast", r"linalg.vecdot\(float64\[\d\], "
    ),
    KnownEdge(
        "torch resizes to an image without elements in one mode only, and pads to one in one direction only; minitorch "
        "refuses it in all",
        r"(interpolate.area|pad.replicate_negative)\(.*minitorch raises RuntimeError.*torch raises nothing",
    ),
    KnownEdge(
        "minitorch drops leading dimensions of one element from values, as torch does in x[index] = values",
        r"index_put\(float64\[5, 5\], \(int64\[\] = 4\), float64\[1, 5\]",
    ),
    KnownEdge(
        "types for which torch has no kernel, where minitorch computes",
        r" (isin|matmul|__rmatmul__|addcmul|clamp|ceil|floor|trunc|scatter_reduce.mean|trace|"
        r"\S*threshold|\S*conv_transpose[123]d|\S*avg_pool3d|\S*lp_pool3d|\S*multi\w*_margin_loss|round.decimals_0|histc|"
        r"index_reduce.mean|bucketize|\S*rrelu|\S*grid_sample|\S*ctc_loss|linalg.vander|\S*embedding_bag)\(.*"
        r"minitorch raises nothing.*(not implemented for|Unsupported input type|supports floating point|scalar types)",
    ),
    KnownEdge(
        "types for which minitorch has no kernel",
        r" (\S*svd|einsum|\S*bilinear|\S*bicubic)\(.*minitorch raises NotImplementedError.*torch raises nothing",
    ),
    KnownEdge(
        "torch refuses to record a floating part that is written into integers; nothing flows through it in minitorch",
        r"_scatter\(.*Autograd not support dtype",
    ),
    KnownEdge(
        "torch looks whether a number fits the type of the tensor; minitorch writes what NumPy makes of it",
        r"(index_fill|threshold)\(uint8.*without overflow",
    ),
    KnownEdge(
        "at 0 torch's second gradient takes the other piece than its first, or is nan",
        r"grad2 of (\S*prelu|sinc|__rpow__|float_power)\(",
    ),
    KnownEdge(
        "torch loses maxima in an image without elements, and says so only when their gradient is asked for",
        r"max_unpool[123]d\(.*invalid max index.*torch raises nothing",
    ),
    KnownEdge(
        "torch makes -2 ** 63 of 2.0 ** 63, which int64 does not hold",
        r"9223372036854775808.*overflow.*torch raises nothing",
    ),
    KnownEdge(
        "torch's gradient of a whole tensor's variance without freedom is inf, but along dimensions it divides by what "
        "there is; minitorch does that always",
        r"grad of (std|var)\S*\(.*correction=.*torch (inf|nan)",
    ),
    KnownEdge("of no elements torch's gradient is nan", r"grad of \S*group_norm\(float64\[1, 6, 0\]"),
    KnownEdge(
        "the covariance of no elements is nan, which depends on nothing", r"grad of (cov|corrcoef)\(float64\[0\]"
    ),
    KnownEdge(
        "torch's least squares repeats solutions where B is a batch of vectors or a matrix, and has no residuals without "
        "unknowns",
        r"linalg.lstsq\S*\(float64\[(1, 2, 3|2, 0)\]",
    ),
    KnownEdge("a 0-dim target for a batch of one", r"multi_margin_loss\(float64\[1, 5\], int64\[\]"),
    KnownEdge(
        "torch asserts in Python for embedding and raises a RuntimeError in C++ for embedding_bag; minitorch does the first",
        r"embedding_bag\(.*padding_idx must be within",
    ),
    KnownEdge(
        "torch takes weights and biases of more dimensions where they fit by chance",
        r"functional.(linear|multi_head_attention_forward)\(.*torch raises nothing",
    ),
)


def known_boundary(text: str) -> bool:
    """Whether what differs at an edge, as `text` says it, is known."""
    return any(re.search(entry.pattern, text) for entry in EDGES)


def known_line(line: str, theirs: str, ours: str) -> KnownLine | None:
    """The entry that covers what a line of a program raised on the two sides ("" for nothing), if any."""
    return next((entry for entry in LINES if entry.covers(line, theirs, ours)), None)


def known(op: str, check: str, dtype: str, found: Difference) -> Known | None:
    """The entry that covers this difference, if any."""
    return next((entry for entry in KNOWN if entry.covers(op, check, dtype, found)), None)
