"""Mixed precision: losses scaled so that the gradients of half floats stay finite."""

from gpudl.amp.grad_scaler import GradScaler as GradScaler

__all__ = ["GradScaler"]
