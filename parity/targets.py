"""The operations that minitorch sets out to cover, by the names of torch's own test database.

A name is ``OpInfo.full_name``: the operation, then the variant torch tests separately (``max.binary``,
``softmax.with_dtype``). ``core`` is what ordinary programs use; ``stretch`` is the long tail. Complex, Fourier, sparse
and special functions are not aimed at, so they stand in neither list.
"""

CORE: dict[str, str] = {
    "arithmetic": (
        "add sub rsub mul div.no_rounding_mode div.trunc_rounding div.floor_rounding true_divide floor_divide "
        "remainder fmod pow neg positive abs sign reciprocal square sqrt rsqrt addcmul addcdiv lerp clamp clamp_min "
        "clamp_max maximum minimum max.binary min.binary ceil floor round trunc frac nan_to_num __radd__ __rsub__ "
        "__rmul__ __rdiv__ __rmod__ __rpow__"
    ),
    "transcendental": (
        "exp exp2 expm1 log log2 log10 log1p logaddexp xlogy sin cos tan asin acos atan atan2 sinh cosh tanh asinh "
        "acosh atanh sigmoid erf"
    ),
    "comparison and logic": (
        "eq ne lt le gt ge isclose allclose equal isfinite isinf isnan isin where logical_and logical_or logical_xor "
        "logical_not all any count_nonzero bitwise_and bitwise_or bitwise_xor bitwise_not"
    ),
    "reductions": (
        "sum mean prod amax amin max.reduction_with_dim max.reduction_no_dim min.reduction_with_dim "
        "min.reduction_no_dim argmax argmin std std.unbiased var var.unbiased std_mean std_mean.unbiased var_mean "
        "var_mean.unbiased median nansum nanmean kthvalue logsumexp cumsum cumprod norm norm.fro norm.inf diff"
    ),
    "shape": (
        "reshape reshape_as view view_as flatten unflatten ravel squeeze squeeze.multiple unsqueeze transpose t T mT "
        "permute movedim expand expand_as broadcast_to broadcast_tensors broadcast_shapes repeat tile "
        "repeat_interleave chunk split split.list_args split_with_sizes tensor_split unbind stack cat hstack vstack "
        "dstack column_stack narrow select slice unfold flip fliplr flipud roll diag diagonal diag_embed diagflat "
        "tril triu atleast_1d atleast_2d atleast_3d contiguous clone meshgrid.variadic_tensors "
        "meshgrid.list_of_tensors"
    ),
    "indexing": (
        "__getitem__ index_put index_select index_add index_copy index_fill gather scatter scatter_add "
        "scatter_reduce.sum scatter_reduce.prod scatter_reduce.mean scatter_reduce.amin scatter_reduce.amax take "
        "take_along_dim masked_fill masked_select nonzero argwhere sort argsort topk unique searchsorted fill zero_ "
        "nn.functional.one_hot"
    ),
    "creation and types": (
        "zeros ones full empty eye arange linspace zeros_like ones_like full_like empty_like new_zeros new_ones "
        "new_full new_empty item to float double int long bool randn rand_like randn_like randint normal "
        "normal.in_place uniform bernoulli multinomial"
    ),
    "products": (
        "matmul __rmatmul__ mm bmm mv dot inner outer addmm addmm.decomposed addmv baddbmm einsum tensordot kron "
        "cross trace linalg.vecdot"
    ),
    "linear algebra": (
        "linalg.norm linalg.vector_norm linalg.matrix_norm linalg.inv linalg.det linalg.slogdet logdet linalg.solve "
        "linalg.solve_triangular linalg.cholesky linalg.qr linalg.eigh linalg.eigvalsh linalg.svd linalg.svdvals "
        "linalg.pinv linalg.diagonal"
    ),
    "activations": (
        "nn.functional.relu nn.functional.relu6 nn.functional.leaky_relu nn.functional.elu nn.functional.celu "
        "nn.functional.selu nn.functional.prelu nn.functional.gelu nn.functional.silu nn.functional.mish "
        "nn.functional.softplus nn.functional.softsign nn.functional.tanhshrink nn.functional.hardtanh "
        "nn.functional.hardsigmoid nn.functional.hardswish nn.functional.hardshrink nn.functional.softshrink "
        "nn.functional.threshold nn.functional.logsigmoid nn.functional.glu nn.functional.softmin softmax "
        "softmax.with_dtype log_softmax log_softmax.with_dtype"
    ),
    "linear and convolution": (
        "nn.functional.linear nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d "
        "nn.functional.conv_transpose1d nn.functional.conv_transpose2d nn.functional.conv_transpose3d "
        "nn.functional.unfold"
    ),
    "pooling": (
        "nn.functional.avg_pool1d nn.functional.avg_pool2d nn.functional.avg_pool3d nn.functional.max_pool1d "
        "nn.functional.max_pool2d nn.functional.max_pool3d nn.functional.adaptive_avg_pool1d "
        "nn.functional.adaptive_avg_pool2d nn.functional.adaptive_avg_pool3d nn.functional.adaptive_max_pool1d "
        "nn.functional.adaptive_max_pool2d"
    ),
    "resizing and padding": (
        "nn.functional.interpolate.nearest nn.functional.interpolate.linear nn.functional.interpolate.bilinear "
        "nn.functional.interpolate.trilinear nn.functional.upsample_nearest nn.functional.upsample_bilinear "
        "nn.functional.pad.constant nn.functional.pad.reflect nn.functional.pad.replicate nn.functional.pixel_shuffle"
    ),
    "normalization": (
        "nn.functional.batch_norm nn.functional.layer_norm nn.functional.group_norm nn.functional.instance_norm "
        "nn.functional.rms_norm nn.functional.normalize"
    ),
    "attention and embedding": (
        "nn.functional.scaled_dot_product_attention nn.functional.multi_head_attention_forward nn.functional.embedding"
    ),
    "dropout": "nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d",
    "losses": (
        "nn.functional.cross_entropy nn.functional.nll_loss nn.functional.mse_loss nn.functional.l1_loss "
        "nn.functional.smooth_l1_loss nn.functional.huber_loss nn.functional.kl_div "
        "nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits "
        "nn.functional.cosine_similarity nn.functional.cosine_embedding_loss nn.functional.hinge_embedding_loss "
        "nn.functional.margin_ranking_loss nn.functional.soft_margin_loss nn.functional.triplet_margin_loss "
        "nn.functional.pairwise_distance"
    ),
}

STRETCH: dict[str, str] = {
    "arithmetic": (
        "float_power fmax fmin round.decimals_0 round.decimals_3 round.decimals_neg_3 copysign heaviside signbit hypot"
    ),
    "transcendental": "logaddexp2 sinc logit erfc erfinv lgamma digamma deg2rad rad2deg ldexp",
    "comparison and logic": "isposinf isneginf bitwise_left_shift bitwise_right_shift",
    "reductions": (
        "aminmax nanmedian quantile nanquantile mode cummax cummin logcumsumexp dist trapezoid trapz "
        "cumulative_trapezoid cov corrcoef histc bincount renorm"
    ),
    "shape": (
        "sum_to_size hsplit vsplit dsplit rot90 block_diag cartesian_prod combinations select_scatter slice_scatter "
        "diagonal_scatter as_strided"
    ),
    "indexing": (
        "index_reduce.mean index_reduce.prod index_reduce.amin index_reduce.amax put masked_scatter msort "
        "unique_consecutive bucketize tril_indices triu_indices unravel_index"
    ),
    "creation and types": "logspace scalar_tensor half short byte char randint_like normal.number_mean exponential",
    "products": "vdot addbmm addr cdist linalg.multi_dot linalg.cross linalg.matrix_power",
    "linear algebra": (
        "linalg.norm.subgradients_at_zero linalg.inv_ex linalg.solve_ex triangular_solve linalg.cholesky_ex cholesky "
        "cholesky_solve cholesky_inverse qr svd linalg.lstsq linalg.lstsq.grad_oriented linalg.pinv.hermitian "
        "pinverse linalg.matrix_rank linalg.cond linalg.lu linalg.lu_factor linalg.lu_solve linalg.tensorinv "
        "linalg.tensorsolve linalg.vander matrix_exp norm.nuc"
    ),
    "activations": "nn.functional.rrelu nn.functional.softmin.with_dtype",
    "linear and convolution": "nn.functional.bilinear",
    "pooling": (
        "nn.functional.adaptive_max_pool3d nn.functional.max_unpool1d nn.functional.max_unpool1d.grad "
        "nn.functional.max_unpool2d nn.functional.max_unpool2d.grad nn.functional.max_unpool3d "
        "nn.functional.max_unpool3d.grad"
    ),
    "resizing and padding": (
        "nn.functional.interpolate.nearest-exact nn.functional.interpolate.bicubic nn.functional.interpolate.area "
        "nn.functional.pad.replicate_negative nn.functional.pad.circular nn.functional.grid_sample "
        "nn.functional.pixel_unshuffle nn.functional.channel_shuffle"
    ),
    "normalization": "nn.functional.local_response_norm",
    "attention and embedding": "nn.functional.embedding_bag",
    "dropout": (
        "nn.functional.alpha_dropout nn.functional.feature_alpha_dropout.with_train "
        "nn.functional.feature_alpha_dropout.without_train"
    ),
    "losses": (
        "nn.functional.ctc_loss nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss "
        "nn.functional.multilabel_soft_margin_loss nn.functional.gaussian_nll_loss nn.functional.poisson_nll_loss "
        "nn.functional.triplet_margin_with_distance_loss nn.functional.pdist"
    ),
}


def names(tier: str = "all") -> list[str]:
    """The target names of one tier (``core``, ``stretch`` or ``all``), in the order of the tables."""
    tables = {"core": [CORE], "stretch": [STRETCH], "all": [CORE, STRETCH]}[tier]
    return [name for table in tables for group in table.values() for name in group.split()]


def tier_of(name: str) -> str:
    """``core``, ``stretch``, or ``other`` for a name that is no target."""
    return next((tier for tier in ("core", "stretch") if name in names(tier)), "other")
