"""The C++ structs that Python fills in: a class each, with the name and the fields of the struct in csrc/.

`library()` compares the sizes when it loads the kernels. A pointer in a struct does not keep its target alive: whoever
sets it does.
"""

import ctypes


class BufferRef(ctypes.Structure):
    """graph.cpp: a tensor, by the index of its base pointer in the bindings; offset and strides are in bytes."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("binding", "offset", "image_stride", "thread_stride"))


class OpCall(ctypes.Structure):
    """graph.cpp: an op in one direction; parameters, gradients, buffers and the seed are indices into the bindings."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("desc", ctypes.c_void_p),
        *((name, BufferRef) for name in ("x", "addend", "y", "dy", "dx", "saved", "workspace", "thread_workspace")),
        ("parameters", ctypes.c_int64 * 3),
        ("gradients", ctypes.c_int64 * 3),
        ("buffers", ctypes.c_int64 * 3),
        ("seed", ctypes.c_int64),
    )


class ExecutionPlan(ctypes.Structure):
    """graph.cpp; `calls` points to an array of OpCall."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_images", "num_threads", "num_calls")),
        ("calls", ctypes.c_void_p),
    )


class NormDesc(ctypes.Structure):
    """norm.h; `vectors` is the number of channels / 16."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_images", "pixels", "vectors", "groups", "region_images")),
        ("eps", ctypes.c_float),
        ("relu", ctypes.c_int32),
        ("drop", ctypes.c_int32),
        ("momentum", ctypes.c_float),
        ("bf16", ctypes.c_int32),
    )

    @property
    def num_regions(self) -> int:
        return -(-self.num_images // self.region_images) * self.groups


class RenormDesc(ctypes.Structure):
    """norm.cpp."""

    _fields_ = (
        ("norm", NormDesc),
        *((name, ctypes.c_double) for name in ("r_max", "d_max")),
        *((name, ctypes.c_int64) for name in ("warmup_steps", "r_steps", "d_steps")),
    )


class ConvDesc(ctypes.Structure):
    """conv.h; `weight_strides` are in numbers, `stride` in pixels."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("num_images", "height", "width", "in_channels", "out_channels", "size", "stride")
        ),
        ("weight_strides", ctypes.c_int64 * 4),
        *((name, ctypes.c_int64) for name in ("x_bf16", "y_bf16", "has_dx")),
    )


class DepthwiseDesc(ctypes.Structure):
    """depthwise.cpp; `weight_strides` are those of channel, row and column, in numbers."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_images", "height", "width", "channels", "stride")),
        ("weight_strides", ctypes.c_int64 * 3),
        ("bf16", ctypes.c_int64),
    )


class LinearDesc(ctypes.Structure):
    """linear.cpp."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("num_images", "in_features", "out_features", "bf16"))


class PoolDesc(ctypes.Structure):
    """pool.cpp."""

    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("height", "width", "channels", "kernel", "stride", "padding", "bf16")
    )


class ActivationDesc(ctypes.Structure):
    """activation.cpp; `count` is of the numbers in an image."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("function", ctypes.c_int32),
        ("slope", ctypes.c_float),
        ("drop", ctypes.c_int32),
        ("bf16", ctypes.c_int32),
    )


class AddDesc(ctypes.Structure):
    """pointwise.cpp; `count` is of the numbers in an image."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("count", "bf16"))


class SgdRule(ctypes.Structure):
    """sgd.cpp."""

    _fields_ = (
        *((name, ctypes.c_float) for name in ("lr", "momentum", "weight_decay")),
        ("nesterov", ctypes.c_int32),
    )


class SgdTensor(ctypes.Structure):
    """sgd.cpp; value, gradient and momentum are pointers."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("value", "gradient", "momentum")),
        ("count", ctypes.c_int64),
    )


class MuonRule(ctypes.Structure):
    """muon.cpp."""

    _fields_ = (
        ("iterations", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("a", "b", "c", "lr", "momentum")),
        ("num_threads", ctypes.c_int32),
    )


class MuonFilter(ctypes.Structure):
    """muon.cpp; weight, gradient and momentum are pointers."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "columns")),
        *((name, ctypes.c_void_p) for name in ("weight", "gradient", "momentum")),
    )


class OptimizerGroup(ctypes.Structure):
    """step.cpp; all but `count` are pointers, those of the rule that does not apply are null."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("muon", "filters", "sgd", "tensors")),
        ("count", ctypes.c_int64),
        ("workspace", ctypes.c_void_p),
    )


class CrossEntropy(ctypes.Structure):
    """loss.h; logits, classes, probabilities and gradient are pointers."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_images", "num_classes")),
        ("label_smoothing", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("logits", "classes", "probabilities", "gradient")),
        ("loss", ctypes.c_double),
        ("num_correct", ctypes.c_int64),
    )


class ImageConversion(ctypes.Structure):
    """images.h; scale, offset, x and y are pointers."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_images", "channels", "pixels")),
        *((name, ctypes.c_void_p) for name in ("scale", "offset", "x", "y")),
        ("num_threads", ctypes.c_int64),
    )


class Gradient(ctypes.Structure):
    """step.cpp; `values` is a pointer."""

    _fields_ = (("values", ctypes.c_void_p), ("count", ctypes.c_int64))


class TrainingStep(ctypes.Structure):
    """step.cpp; all but the numbers and the structs are pointers."""

    _fields_ = (
        ("images", ImageConversion),
        *((name, ctypes.c_void_p) for name in ("forward", "forward_bindings", "backward", "backward_bindings")),
        ("loss", CrossEntropy),
        ("max_norm", ctypes.c_double),
        ("gradients", ctypes.c_void_p),
        ("num_gradients", ctypes.c_int64),
        ("groups", ctypes.c_void_p),
        ("num_groups", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("loss_sum", "num_correct")),
        *((name, ctypes.c_double) for name in ("forward_s", "backward_s", "optimizer_s")),
    )


STRUCTS: tuple[type[ctypes.Structure], ...] = (
    BufferRef,
    OpCall,
    ExecutionPlan,
    NormDesc,
    RenormDesc,
    ConvDesc,
    DepthwiseDesc,
    LinearDesc,
    PoolDesc,
    ActivationDesc,
    AddDesc,
    SgdRule,
    SgdTensor,
    MuonRule,
    MuonFilter,
    OptimizerGroup,
    CrossEntropy,
    ImageConversion,
    Gradient,
    TrainingStep,
)
