"""Written by `python -m minitorch.stubs`; do not edit."""

import builtins
from typing import Any

from ..core.tensor import Tensor

def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor: ...
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor: ...
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Tensor: ...
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: Any = ...) -> Any: ...
def adaptive_max_pool1d_with_indices(input: Any, output_size: Any, return_indices: Any = ...) -> Any: ...
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: Any = ...) -> Any: ...
def adaptive_max_pool2d_with_indices(input: Any, output_size: Any, return_indices: Any = ...) -> Any: ...
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: Any = ...) -> Any: ...
def adaptive_max_pool3d_with_indices(input: Any, output_size: Any, return_indices: Any = ...) -> Any: ...
def affine_grid(theta: Any, size: Any, align_corners: Any = ...) -> Tensor: ...
def alpha_dropout(
    input: Tensor, p: builtins.float = ..., training: builtins.bool = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    ceil_mode: Any = ...,
    count_include_pad: Any = ...,
) -> Tensor: ...
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    ceil_mode: Any = ...,
    count_include_pad: Any = ...,
    divisor_override: Any = ...,
) -> Tensor: ...
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    ceil_mode: Any = ...,
    count_include_pad: Any = ...,
    divisor_override: Any = ...,
) -> Tensor: ...
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = ...,
    bias: Any = ...,
    training: Any = ...,
    momentum: Any = ...,
    eps: Any = ...,
) -> Tensor: ...
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Any = ...) -> Tensor: ...
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Any = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Any = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
    pos_weight: Any = ...,
) -> Tensor: ...
def celu(input: Tensor, alpha: builtins.float = ..., inplace: builtins.bool = ...) -> Tensor: ...
def channel_shuffle(input: Any, groups: builtins.int) -> Tensor: ...
def conv1d(
    input: Any,
    weight: Any,
    bias: Any = ...,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    groups: Any = ...,
) -> Tensor: ...
def conv2d(
    input: Any,
    weight: Any,
    bias: Any = ...,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    groups: Any = ...,
) -> Tensor: ...
def conv3d(
    input: Any,
    weight: Any,
    bias: Any = ...,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    groups: Any = ...,
) -> Tensor: ...
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = ...,
    stride: Any = ...,
    padding: Any = ...,
    output_padding: Any = ...,
    groups: Any = ...,
    dilation: Any = ...,
) -> Tensor: ...
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = ...,
    stride: Any = ...,
    padding: Any = ...,
    output_padding: Any = ...,
    groups: Any = ...,
    dilation: Any = ...,
) -> Tensor: ...
def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = ...,
    stride: Any = ...,
    padding: Any = ...,
    output_padding: Any = ...,
    groups: Any = ...,
    dilation: Any = ...,
) -> Tensor: ...
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: builtins.float = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def cosine_similarity(x1: Tensor, x2: Tensor, dim: builtins.int = ..., eps: builtins.float = ...) -> Tensor: ...
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Any = ...,
    size_average: Any = ...,
    ignore_index: builtins.int = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
    label_smoothing: builtins.float = ...,
) -> Tensor: ...
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: builtins.int = ...,
    reduction: builtins.str = ...,
    zero_infinity: builtins.bool = ...,
) -> Tensor: ...
def dropout(
    input: Tensor, p: builtins.float = ..., training: builtins.bool = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def dropout1d(
    input: Tensor, p: builtins.float = ..., training: builtins.bool = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def dropout2d(
    input: Tensor, p: builtins.float = ..., training: builtins.bool = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def dropout3d(
    input: Tensor, p: builtins.float = ..., training: builtins.bool = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def elu(input: Tensor, alpha: builtins.float = ..., inplace: builtins.bool = ...) -> Tensor: ...
def embedding(
    input: Any,
    weight: Any,
    padding_idx: Any = ...,
    max_norm: Any = ...,
    norm_type: Any = ...,
    scale_grad_by_freq: Any = ...,
    sparse: Any = ...,
) -> Tensor: ...
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = ...,
    max_norm: Any = ...,
    norm_type: Any = ...,
    scale_grad_by_freq: Any = ...,
    mode: Any = ...,
    sparse: Any = ...,
    per_sample_weights: Any = ...,
    include_last_offset: Any = ...,
    padding_idx: Any = ...,
) -> Tensor: ...
def feature_alpha_dropout(
    input: Tensor, p: builtins.float = ..., training: builtins.bool = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = ..., padding: Any = ..., stride: Any = ...
) -> Tensor: ...
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: builtins.bool = ...,
    eps: builtins.float = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def gelu(input: Tensor, *, approximate: builtins.str = ...) -> Tensor: ...
def glu(input: Tensor, dim: builtins.int = ...) -> Tensor: ...
def grid_sample(
    input: Any, grid: Any, mode: Any = ..., padding_mode: Any = ..., align_corners: Any = ...
) -> Tensor: ...
def group_norm(input: Any, num_groups: Any, weight: Any = ..., bias: Any = ..., eps: Any = ...) -> Tensor: ...
def gumbel_softmax(
    logits: Tensor,
    tau: builtins.float = ...,
    hard: builtins.bool = ...,
    eps: builtins.float = ...,
    dim: builtins.int = ...,
) -> Tensor: ...
def hardshrink(input: Tensor, lambd: builtins.float = ...) -> Tensor: ...
def hardsigmoid(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def hardswish(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def hardtanh(
    input: Tensor, min_val: builtins.float = ..., max_val: builtins.float = ..., inplace: builtins.bool = ...
) -> Tensor: ...
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: builtins.float = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def huber_loss(
    input: Tensor, target: Tensor, reduction: builtins.str = ..., delta: builtins.float = ..., weight: Any = ...
) -> Tensor: ...
def instance_norm(
    input: Any,
    running_mean: Any = ...,
    running_var: Any = ...,
    weight: Any = ...,
    bias: Any = ...,
    use_input_stats: Any = ...,
    momentum: Any = ...,
    eps: Any = ...,
) -> Tensor: ...
def interpolate(
    input: Any,
    size: Any = ...,
    scale_factor: Any = ...,
    mode: Any = ...,
    align_corners: Any = ...,
    recompute_scale_factor: Any = ...,
    antialias: Any = ...,
) -> Tensor: ...
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
    log_target: builtins.bool = ...,
) -> Tensor: ...
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
    weight: Any = ...,
) -> Tensor: ...
def layer_norm(input: Any, normalized_shape: Any, weight: Any = ..., bias: Any = ..., eps: Any = ...) -> Tensor: ...
def leaky_relu(input: Tensor, negative_slope: builtins.float = ..., inplace: builtins.bool = ...) -> Tensor: ...
def linear(input: Tensor, weight: Tensor, bias: Any = ...) -> Tensor: ...
def local_response_norm(input: Any, size: Any, alpha: Any = ..., beta: Any = ..., k: Any = ...) -> Tensor: ...
def log_softmax(input: Tensor, dim: Any = ..., _stacklevel: builtins.int = ..., dtype: Any = ...) -> Tensor: ...
def logsigmoid(input: Tensor) -> Tensor: ...
def lp_pool1d(input: Any, norm_type: Any, kernel_size: Any, stride: Any = ..., ceil_mode: Any = ...) -> Tensor: ...
def lp_pool2d(input: Any, norm_type: Any, kernel_size: Any, stride: Any = ..., ceil_mode: Any = ...) -> Tensor: ...
def lp_pool3d(input: Any, norm_type: Any, kernel_size: Any, stride: Any = ..., ceil_mode: Any = ...) -> Tensor: ...
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: builtins.float = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: Any = ...,
    return_indices: Any = ...,
) -> Any: ...
def max_pool1d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: Any = ...,
    return_indices: Any = ...,
) -> Any: ...
def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: Any = ...,
    return_indices: Any = ...,
) -> Any: ...
def max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: Any = ...,
    return_indices: Any = ...,
) -> Any: ...
def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: Any = ...,
    return_indices: Any = ...,
) -> Any: ...
def max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = ...,
    padding: Any = ...,
    dilation: Any = ...,
    ceil_mode: Any = ...,
    return_indices: Any = ...,
) -> Any: ...
def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = ..., padding: Any = ..., output_size: Any = ...
) -> Tensor: ...
def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = ..., padding: Any = ..., output_size: Any = ...
) -> Tensor: ...
def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = ..., padding: Any = ..., output_size: Any = ...
) -> Tensor: ...
def mish(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
    weight: Any = ...,
) -> Tensor: ...
def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: Any,
    num_heads: Any,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: Any,
    dropout_p: Any,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: Any = ...,
    key_padding_mask: Any = ...,
    need_weights: Any = ...,
    attn_mask: Any = ...,
    use_separate_proj_weight: Any = ...,
    q_proj_weight: Any = ...,
    k_proj_weight: Any = ...,
    v_proj_weight: Any = ...,
    static_k: Any = ...,
    static_v: Any = ...,
    average_attn_weights: Any = ...,
    is_causal: Any = ...,
) -> Any: ...
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: builtins.int = ...,
    margin: builtins.float = ...,
    weight: Any = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = ..., reduce: Any = ..., reduction: builtins.str = ...
) -> Tensor: ...
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Any = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Any = ...,
    size_average: Any = ...,
    ignore_index: builtins.int = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def normalize(
    input: Tensor, p: builtins.float = ..., dim: Any = ..., eps: builtins.float = ..., out: Any = ...
) -> Tensor: ...
def one_hot(input: Tensor, num_classes: builtins.int = ...) -> Tensor: ...
def pad(input: Tensor, pad: Any, mode: builtins.str = ..., value: Any = ...) -> Tensor: ...
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: builtins.float = ..., eps: builtins.float = ..., keepdim: builtins.bool = ...
) -> Tensor: ...
def pdist(input: Tensor, p: builtins.float = ...) -> Tensor: ...
def pixel_shuffle(input: Any, upscale_factor: builtins.int) -> Tensor: ...
def pixel_unshuffle(input: Any, downscale_factor: builtins.int) -> Tensor: ...
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: builtins.bool = ...,
    full: builtins.bool = ...,
    size_average: Any = ...,
    eps: builtins.float = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def prelu(input: Tensor, weight: Tensor) -> Tensor: ...
def relu(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def relu6(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def relu_(input: Tensor) -> Tensor: ...
def rms_norm(input: Any, normalized_shape: Any, weight: Any = ..., eps: Any = ...) -> Tensor: ...
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = ...,
    dropout_p: Any = ...,
    is_causal: Any = ...,
    scale: Any = ...,
    enable_gqa: Any = ...,
) -> Tensor: ...
def selu(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def sigmoid(input: Tensor) -> Tensor: ...
def silu(input: Tensor, inplace: builtins.bool = ...) -> Tensor: ...
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
    beta: builtins.float = ...,
) -> Tensor: ...
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = ..., reduce: Any = ..., reduction: builtins.str = ...
) -> Tensor: ...
def softmax(input: Tensor, dim: Any = ..., _stacklevel: builtins.int = ..., dtype: Any = ...) -> Tensor: ...
def softmin(input: Tensor, dim: Any = ..., _stacklevel: builtins.int = ..., dtype: Any = ...) -> Tensor: ...
def softplus(input: Tensor, beta: builtins.float = ..., threshold: builtins.float = ...) -> Tensor: ...
def softshrink(input: Tensor, lambd: builtins.float = ...) -> Tensor: ...
def softsign(input: Tensor) -> Tensor: ...
def tanh(input: Tensor) -> Tensor: ...
def tanhshrink(input: Tensor) -> Tensor: ...
def threshold(
    input: Tensor, threshold: builtins.float, value: builtins.float, inplace: builtins.bool = ...
) -> Tensor: ...
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: builtins.float = ...,
    p: builtins.float = ...,
    eps: builtins.float = ...,
    swap: builtins.bool = ...,
    size_average: Any = ...,
    reduce: Any = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Any = ...,
    margin: builtins.float = ...,
    swap: builtins.bool = ...,
    reduction: builtins.str = ...,
) -> Tensor: ...
def unfold(input: Tensor, kernel_size: Any, dilation: Any = ..., padding: Any = ..., stride: Any = ...) -> Tensor: ...
def upsample(
    input: Any, size: Any = ..., scale_factor: Any = ..., mode: Any = ..., align_corners: Any = ...
) -> Tensor: ...
def upsample_bilinear(input: Any, size: Any = ..., scale_factor: Any = ...) -> Tensor: ...
def upsample_nearest(input: Any, size: Any = ..., scale_factor: Any = ...) -> Tensor: ...
