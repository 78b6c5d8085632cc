"""config.pbtxt as data, and the checks that the server makes before it loads a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from utils.serving.triton.instances import KINDS, plan_instances, resolved_kind
from utils.serving.triton.pbtxt import parse_pbtxt
from utils.serving.triton.shapes import full_shape, request_error
from utils.serving.triton.wire import DTYPES

# Names that triton-inference-server/core, src/constants.h knows, with the backend of each (commit 05295b7, 2026).
PLATFORMS = {
    "tensorrt_plan": "tensorrt",
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "torch_aoti": "pytorch",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    "ensemble": "",
}
DATA_TYPES = ("TYPE_INVALID", *(f"TYPE_{name}" for name in DTYPES), "TYPE_STRING", "TYPE_BF16")
FORMATS = ("FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW")
# fields of message ModelConfig in model_config.proto
# fmt: off
FIELDS = frozenset((
    "name", "platform", "backend", "runtime", "version_policy", "max_batch_size", "input", "output",
    "batch_input", "batch_output", "optimization", "dynamic_batching", "sequence_batching",
    "ensemble_scheduling", "instance_group", "default_model_filename", "cc_model_filenames", "metric_tags",
    "parameters", "model_warmup", "model_operations", "model_transaction_policy", "model_repository_agents",
    "response_cache", "model_metrics",
))
# fmt: on


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: `dims` without the batch axis."""

    name: str
    data_type: str
    dims: tuple[int, ...]
    format: str = "FORMAT_NONE"


@dataclass(frozen=True)
class InstanceGroup:
    """Copies of the model; count 0 stands for the default."""

    kind: str = "KIND_AUTO"
    count: int = 0
    gpus: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "count": self.count, "gpus": list(self.gpus)}


@dataclass(frozen=True)
class DynamicBatching:
    """The batcher's settings: preferred sizes, and how long a request may wait for others."""

    preferred: tuple[int, ...] = ()
    max_queue_delay_us: int = 0


@dataclass(frozen=True)
class ModelConfig:
    """What this course needs of a model's configuration. `dynamic_batching` None: requests are not merged."""

    name: str = ""
    platform: str = ""
    backend: str = ""
    max_batch_size: int = 0
    input: tuple[TensorSpec, ...] = ()
    output: tuple[TensorSpec, ...] = ()
    instance_group: tuple[InstanceGroup, ...] = ()
    dynamic_batching: DynamicBatching | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read config.pbtxt. Raises ValueError for text that is malformed, and for unknown fields and enum names.

        A field that may occur once and occurs twice has its last value, as in the server.
        """
        fields = parse_pbtxt(text)
        unknown = [name for name in fields if name not in FIELDS]
        if unknown:
            raise ValueError(f"field must be one of model_config.proto, got {unknown[0]!r}")
        return cls(
            _last(fields, "name", ""),
            _last(fields, "platform", ""),
            _last(fields, "backend", ""),
            _last(fields, "max_batch_size", 0),
            tuple(map(_tensor, fields.get("input", []))),
            tuple(map(_tensor, fields.get("output", []))),
            tuple(map(_group, fields.get("instance_group", []))),
            _batching(fields["dynamic_batching"][-1]) if "dynamic_batching" in fields else None,
        )

    @property
    def backend_name(self) -> str:
        """The backend, also where only the platform is given."""
        return self.backend or PLATFORMS.get(self.platform, "")


def _last(fields: Mapping[str, list], name: str, default: Any) -> Any:
    value = fields.get(name, [default])[-1]
    if type(value) is not type(default):
        raise ValueError(f"{name} must be {type(default).__name__}, got {value!r}")
    return value


def _enum(fields: Mapping[str, list], name: str, legal: Sequence[str], default: str) -> str:
    value = _last(fields, name, default)
    if value not in legal:
        raise ValueError(f"{name} must be one of {', '.join(legal)}, got {value!r}")
    return value


def _tensor(fields: Any) -> TensorSpec:
    fields = _message(fields)
    return TensorSpec(
        _last(fields, "name", ""),
        _enum(fields, "data_type", DATA_TYPES, "TYPE_INVALID"),
        tuple(fields.get("dims", [])),
        _enum(fields, "format", FORMATS, "FORMAT_NONE"),
    )


def _group(fields: Any) -> InstanceGroup:
    fields = _message(fields)
    return InstanceGroup(
        _enum(fields, "kind", KINDS, "KIND_AUTO"), _last(fields, "count", 0), tuple(fields.get("gpus", []))
    )


def _batching(fields: Any) -> DynamicBatching:
    fields = _message(fields)
    return DynamicBatching(
        tuple(fields.get("preferred_batch_size", [])), _last(fields, "max_queue_delay_microseconds", 0)
    )


def _message(fields: Any) -> Mapping[str, list]:
    if not isinstance(fields, dict):
        raise ValueError(f"field must be a message in braces, got {fields!r}")
    return fields


# --- checks -------------------------------------------------------------------------------------


def validate(cfg: ModelConfig, *, visible_gpus: int, directory: str | None = None) -> list[str]:
    """What the server would refuse about a configuration; an empty list if it would load the model.

    Made after core's ValidateModelConfig, ValidateModelIOConfig and ValidateInstanceGroup, for the fields above.
    `directory` is the name of the model's folder, where it is known.
    """
    found = []
    if directory is not None and cfg.name and cfg.name != directory:
        found.append(f"name {cfg.name!r} must equal the directory {directory!r}, or be left out")
    if not cfg.backend_name and cfg.platform != "ensemble":
        found.append(
            f"unexpected platform type {cfg.platform!r}: a backend must be given, or one of {', '.join(PLATFORMS)}"
        )
    if cfg.max_batch_size < 0:
        found.append("'max_batch_size' must be non-negative value")
    found += [
        message for part in ("input", "output") for spec in getattr(cfg, part) for message in _tensor_errors(part, spec)
    ]
    for size in cfg.dynamic_batching.preferred if cfg.dynamic_batching else ():
        if size <= 0:
            found.append("dynamic batching preferred size must be positive")
        elif size > cfg.max_batch_size:
            found.append("dynamic batching preferred size must be <= max batch size")
    return found + _group_errors(cfg, visible_gpus)


def _tensor_errors(part: str, spec: TensorSpec) -> list[str]:
    found = []
    if not spec.name:
        found.append(f"model {part} must specify 'name'")
    if spec.data_type == "TYPE_INVALID":
        found.append(f"model {part} {spec.name!r} must specify 'data_type'")
    if not spec.dims:
        found.append(f"model {part} {spec.name!r} must specify 'dims'")
    if any(not isinstance(dim, int) or (dim < 1 and dim != -1) for dim in spec.dims):
        found.append(
            f"model {part} {spec.name!r}: dimension must be integer >= 1, or -1 to indicate a variable-size dimension"
        )
    if part == "input" and spec.format != "FORMAT_NONE" and len(spec.dims) != 3:
        found.append(f"model input {spec.name!r}: {spec.format} requires 3 dims")
    return found


def _group_errors(cfg: ModelConfig, visible_gpus: int) -> list[str]:
    found = []
    for group in cfg.instance_group:
        try:
            plan_instances([group.as_dict()], visible_gpus, cfg.backend_name)
        except ValueError as error:
            kind = resolved_kind(group.as_dict(), visible_gpus)
            specifies = kind != "KIND_GPU" and group.gpus
            found.append(
                f"instance group has kind {kind} but specifies one or more GPUs"
                if specifies
                else f"instance group: {error}"
            )
    return found


def config_request_error(cfg: ModelConfig, shapes: Mapping[str, Sequence[int]]) -> str | None:
    """Why a request with input tensors of these shapes is refused, in words; None if it is accepted."""
    specs = {spec.name: spec for spec in cfg.input}
    if set(shapes) != set(specs):
        return f"expected the inputs {sorted(specs)}, got {sorted(shapes)}"
    for name, shape in shapes.items():
        wrong = request_error(cfg.max_batch_size, list(specs[name].dims), list(shape))
        if wrong == "batch":
            return f"inference request batch-size must be between 1 and {cfg.max_batch_size}, got {shape[0]}"
        if wrong:
            expected = list(full_shape(cfg.max_batch_size, specs[name].dims))
            return f"unexpected shape for input '{name}'. Expected {expected}, got {list(shape)}"
    if cfg.max_batch_size and len({shape[0] for shape in shapes.values()}) > 1:
        return "all inputs must have the same batch size"
    return None


@dataclass(frozen=True)
class Explained:
    """A configuration in plain terms: errors, the shapes a request must have, and the instances."""

    errors: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    instances: tuple[tuple[str, int | None], ...]


def explain_config(text: str, visible_gpus: int) -> Explained:
    """What the server makes of config.pbtxt; never raises, text that can't be read is an error in the list."""
    try:
        cfg = ModelConfig.from_text(text)
    except ValueError as error:
        return Explained((str(error),), {}, ())
    errors = validate(cfg, visible_gpus=visible_gpus)
    if errors:
        return Explained(tuple(errors), {}, ())
    shapes = {spec.name: full_shape(cfg.max_batch_size, spec.dims) for spec in (*cfg.input, *cfg.output)}
    groups = [group.as_dict() for group in cfg.instance_group]
    return Explained((), shapes, tuple(plan_instances(groups, visible_gpus, cfg.backend_name)))
