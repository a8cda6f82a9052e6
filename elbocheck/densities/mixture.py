"""Mixtures whose states are summed, not latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from elbocheck.backends.namespace import Array, namespace


@dataclass(frozen=True)
class Mixture:
    """p(u) = Σ_k π_k p_k(u) with π = softmax(logits).

    Shapes: `logits` (*batch, K), not necessarily normalised; `components`: a family or density with batch (*batch, K,
    *elements), of which the last `element_axes` are independent elements of one value, (*batch, *elements, *event).
    """

    logits: Array
    components: Any
    element_axes: int = 0

    family: ClassVar[str] = "mixture"

    @property
    def event_ndim(self) -> int:
        """Axes of one value."""
        return int(self.components.event_ndim) + self.element_axes

    def log_density(self, value: Array) -> Array:
        """log p(u), nats, (*batch,)."""
        position = value.ndim - self.event_ndim
        shape = (*value.shape[:position], 1, *value.shape[position:])
        each = self.components.log_density(namespace(value).xp.reshape(value, shape))
        for _ in range(self.element_axes):
            each = namespace(each).xp.sum(each, axis=-1)
        ns = namespace(self.logits, each)
        return ns.log_sum_exp(self.logits + each, axis=-1) - ns.log_sum_exp(self.logits, axis=-1)
