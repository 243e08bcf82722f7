"""Reading and writing by index and mask, sorting and searching as methods."""

from __future__ import annotations

from typing import Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.ops import elementwise, index, index_along, masks, search
from gpudl.ops import gather as gathering
from gpudl.ops import sort as sorting
from gpudl.ops.methods.in_place import ALL, in_place


class IndexMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    __getitem__ = index.getitem
    __setitem__ = index.setitem

    gather = gathering.gather
    scatter = gathering.scatter
    scatter_add = gathering.scatter_add
    scatter_reduce = gathering.scatter_reduce
    take_along_dim = gathering.take_along_dim
    scatter_ = in_place("scatter_", gathering.scatter)
    scatter_add_ = in_place("scatter_add_", gathering.scatter_add)
    scatter_reduce_ = in_place("scatter_reduce_", gathering.scatter_reduce, ALL)

    index_select = index_along.index_select
    index_add = index_along.index_add
    index_copy = index_along.index_copy
    index_fill = index_along.index_fill
    index_put = index_along.index_put
    index_reduce = index_along.index_reduce
    take = index_along.take
    put = index_along.put
    index_add_ = in_place("index_add_", index_along.index_add)
    index_copy_ = in_place("index_copy_", index_along.index_copy)
    index_fill_ = in_place("index_fill_", index_along.index_fill)
    index_put_ = in_place("index_put_", index_along.index_put)
    index_reduce_ = in_place("index_reduce_", index_along.index_reduce, ALL)
    put_ = in_place("put_", index_along.put)

    masked_fill = elementwise.masked_fill
    masked_select = masks.masked_select
    masked_scatter = masks.masked_scatter
    nonzero = masks.nonzero
    argwhere = masks.argwhere
    masked_fill_ = in_place("masked_fill_", elementwise.masked_fill)
    masked_scatter_ = in_place("masked_scatter_", masks.masked_scatter)

    sort = sorting.sort
    argsort = sorting.argsort
    msort = sorting.msort
    topk = sorting.topk
    kthvalue = sorting.kthvalue
    unique = search.unique
    unique_consecutive = search.unique_consecutive

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor where the condition holds, else `other`."""
        return elementwise.where(condition, cast(Tensor, self), other)
