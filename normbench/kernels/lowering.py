"""Layers lowered to ops: one table, layer class -> the function that lowers it."""

from collections.abc import Mapping

from torch import Tensor, nn

from normbench.kernels.functions import PixelMean
from normbench.kernels.layers.activations import (
    lower_elu,
    lower_gelu,
    lower_hardswish,
    lower_leaky_relu,
    lower_relu,
    lower_relu6,
    lower_silu,
)
from normbench.kernels.layers.binding import Lowered, Lowering
from normbench.kernels.layers.convs import lower_conv, lower_linear, lower_standardized_conv
from normbench.kernels.layers.norms import (
    lower_batch_norm,
    lower_batch_renorm,
    lower_dynamic_tanh,
    lower_evo_norm,
    lower_filter_response,
    lower_ghost_batch_norm,
    lower_group_norm,
    lower_instance_norm,
    lower_layer_norm,
    lower_layer_norm_2d,
    lower_precise_batch_norm,
    lower_rms_norm,
)
from normbench.kernels.layers.pools import lower_adaptive_pool, lower_average_pool, lower_max_pool, lower_pixel_mean
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc
from normbench.models.dropout import Dropout
from normbench.norms.activated import EvoNorm2dS0, FilterResponseNorm2d
from normbench.norms.batch import PreciseBatchNorm2d
from normbench.norms.ghost import GhostBatchNorm2d
from normbench.norms.group_norm import InstanceNorm2d
from normbench.norms.layer import LayerNorm, LayerNorm2d, RMSNorm2d
from normbench.norms.pointwise import DynamicTanh
from normbench.norms.renorm import BatchRenorm2d
from normbench.norms.weight_standardization import StandardizedConv2d

LOWERINGS: Mapping[type[nn.Module], Lowering] = {
    nn.Conv2d: lower_conv,
    StandardizedConv2d: lower_standardized_conv,
    nn.BatchNorm2d: lower_batch_norm,
    PreciseBatchNorm2d: lower_precise_batch_norm,
    GhostBatchNorm2d: lower_ghost_batch_norm,
    BatchRenorm2d: lower_batch_renorm,
    nn.GroupNorm: lower_group_norm,
    nn.InstanceNorm2d: lower_instance_norm,
    InstanceNorm2d: lower_instance_norm,
    nn.LayerNorm: lower_layer_norm,
    LayerNorm: lower_layer_norm,
    LayerNorm2d: lower_layer_norm_2d,
    RMSNorm2d: lower_rms_norm,
    FilterResponseNorm2d: lower_filter_response,
    EvoNorm2dS0: lower_evo_norm,
    DynamicTanh: lower_dynamic_tanh,
    nn.ReLU: lower_relu,
    nn.ReLU6: lower_relu6,
    nn.LeakyReLU: lower_leaky_relu,
    nn.ELU: lower_elu,
    nn.SiLU: lower_silu,
    nn.Hardswish: lower_hardswish,
    nn.GELU: lower_gelu,
    nn.MaxPool2d: lower_max_pool,
    nn.AvgPool2d: lower_average_pool,
    nn.AdaptiveAvgPool2d: lower_adaptive_pool,
    PixelMean: lower_pixel_mean,
    nn.Linear: lower_linear,
}
"""Exact types: a subclass may compute something else.

To add one: describe the op in `ops`, write a function in `layers` that lowers the layer to it, and a line here.
"""

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Hardswish, nn.GELU)
"""Elementwise: they take images and vectors."""

DROPOUTS = (Dropout, nn.Dropout)
"""Layers that ops compute as the epilogue of another layer, or by themselves with a seed."""

VECTOR_LAYERS = (*ACTIVATIONS, *DROPOUTS, nn.Identity, nn.Linear)
"""Those that take vectors [N, C]. All others, and of these all but nn.Linear, take images."""


def is_known(layer: nn.Module) -> bool:
    """Whether the settings of the layer may decide an op."""
    return type(layer) in LOWERINGS or type(layer) in (*DROPOUTS, nn.Flatten)


def lower(layer: nn.Module, x: TensorDesc, epilogue: Epilogue = NO_EPILOGUE) -> Lowered | None:
    """The layer with this epilogue as one op; None if no op computes it.

    A setting that is a tensor, such as a momentum that changes, is read in each step: no op does that.
    """
    lowering = LOWERINGS.get(type(layer))
    if lowering is None or any(isinstance(setting, Tensor) for setting in vars(layer).values()):
        return None
    return lowering(layer, x, epilogue)
