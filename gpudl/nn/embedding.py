"""Tables of vectors that are looked up by number, one by one or summed up in bags."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import empty
from gpudl.ops.embedding import embedding
from gpudl.ops.embedding_bag import embedding_bag

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What both kinds share: the table and its settings."""

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Tensor | None,
        frozen: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        layer = type(self).__name__
        if sparse:
            raise NotImplementedError(f"{layer}: gradients are dense here; leave out sparse=True")
        self.num_embeddings = count(layer, "num_embeddings", num_embeddings)
        self.embedding_dim = count(layer, "embedding_dim", embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise AssertionError(f"{layer}: padding_idx must be one of {num_embeddings} embeddings, got {padding_idx}")
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        shape = (self.num_embeddings, self.embedding_dim)
        if weight is None:
            self.weight = Parameter(empty(shape, device=device, dtype=dtype), requires_grad=not frozen)
            self.reset_parameters()
        elif weight.shape == shape:
            self.weight = Parameter(weight, requires_grad=not frozen)
        else:
            raise AssertionError(f"{layer}: expected a weight of shape {shape}, got {weight.shape}")

    def reset_parameters(self) -> None:
        """Draw the vectors anew; that at padding_idx is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].zero_()

    def _norm_settings(self) -> str:
        """What repr shows of how norms and gradients are scaled: what is not as usual."""
        return (
            ("" if self.max_norm is None else f", max_norm={self.max_norm}")
            + ("" if self.norm_type == 2 else f", norm_type={self.norm_type}")
            + (f", scale_grad_by_freq={self.scale_grad_by_freq}" if self.scale_grad_by_freq else "")
        )


class Embedding(_Table):
    """A table of vectors, of which the input names some by number.

    Args:
        num_embeddings: vectors in the table, >= 0.
        embedding_dim: length of each, >= 0.
        padding_idx: this vector is 0 at first and gets no gradient; negative ones count from the end.
        max_norm: each vector that is looked up is first scaled, in place, to at most this norm.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of each vector by how often it stands in the input.
        sparse: only False; gradients are dense.
        device, dtype: of the table.
    Shape: (*) int64 or int32, to (*, embedding_dim).
    Attributes:
        weight: (num_embeddings, embedding_dim), drawn from the normal distribution of mean 0 and variance 1.
    Raises: TypeError or ShapeError for sizes that do not count; AssertionError for a padding_idx out of range;
        NotImplementedError for sparse; IndexError for an input out of range (on the CPU).
    Source: Bengio, Ducharme, Vincent & Jauvin 2003, "A neural probabilistic language model".
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight,
            _freeze, device, dtype,
        )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding of given vectors, whose memory it shares.

        Args:
            embeddings: (num_embeddings, embedding_dim).
            freeze: the vectors are not trained.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as for Embedding, but the vector at
                padding_idx stays as it is.
        Raises: AssertionError unless the embeddings have two dimensions; else as Embedding.
        """
        rows, columns = _sizes(embeddings)
        return cls(
            rows,
            columns,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Tensor) -> Tensor:
        return embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{self._norm_settings()}"


class EmbeddingBag(_Table):
    """The sum, mean or maximum of the vectors of a table that each bag of numbers names.

    Args:
        num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse: as for Embedding.
        mode: "sum" | "mean" | "max".
        include_last_offset: the last of the offsets is where the last bag ends.
        padding_idx: this vector is 0 at first, and its number is in no bag; negative ones count from the end.
        device, dtype: of the table.
    Shape: input (bags, length), or (numbers,) beside offsets (bags,), where each bag starts; int64 or int32; and
        per_sample_weights, factors of the vectors for mode "sum", like the input; to (bags, embedding_dim).
    Attributes:
        weight: (num_embeddings, embedding_dim), drawn from the normal distribution of mean 0 and variance 1.
    Raises: ValueError for another mode; else as Embedding, and what gpudl.nn.functional.embedding_bag raises.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"EmbeddingBag: mode must be 'sum', 'mean' or 'max', got {mode!r}")
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight,
            False, device, dtype,
        )  # fmt: skip
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An EmbeddingBag of given vectors, whose memory it shares.

        Args:
            embeddings: (num_embeddings, embedding_dim).
            freeze: the vectors are not trained.
            max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx: as for
                EmbeddingBag, but the vector at padding_idx stays as it is.
        Raises: AssertionError unless the embeddings have two dimensions; else as EmbeddingBag.
        """
        rows, columns = _sizes(embeddings)
        made = cls(
            rows,
            columns,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        made.weight.requires_grad_(not freeze)
        return made

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{self._norm_settings()}, mode={self.mode!r}{padding}"


def _sizes(embeddings: Tensor) -> tuple[int, int]:
    if embeddings.ndim != 2:
        raise AssertionError(f"from_pretrained: expected embeddings of two dimensions, got {embeddings.shape}")
    rows, columns = embeddings.shape
    return rows, columns
