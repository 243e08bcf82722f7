"""Multi-layer perceptron. Rumelhart, Hinton & Williams 1986; dropout: Srivastava et al. 2014."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpudl import nn

__all__ = ["MLP"]


class MLP(nn.Sequential):
    """Linear layers with an activation between them, as torchvision.ops.MLP.

    Each layer but the last is Linear, norm_layer if there is one, activation_layer, Dropout; the last is Linear,
    Dropout. For a classifier, whose outputs should not be dropped, leave dropout at 0.

    Args:
        in_channels: features of the input.
        hidden_channels: features after each linear layer, so the last are the outputs; at least one.
        norm_layer: makes a normalization from a number of features, such as nn.BatchNorm1d; None for none.
        activation_layer: makes an activation.
        inplace: given to the activations and dropouts, unless None.
        bias: with a bias in the linear layers.
        dropout: probability of each dropout, in [0, 1].
    Shape: (*, in_channels) to (*, hidden_channels[-1]).
    Parameters: (inputs + 1) * outputs for each linear layer: 109,386 for MLP(784, [128, 64, 10]).
    Raises: ValueError without any layer.
    Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        norm_layer: Callable[[int], nn.Module] | None = None,
        activation_layer: Callable[..., nn.Module] = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        if not hidden_channels:
            raise ValueError("MLP: hidden_channels must name the features of at least one layer")
        settings = {} if inplace is None else {"inplace": inplace}
        layers: list[Any] = []
        for features in hidden_channels[:-1]:
            layers.append(nn.Linear(in_channels, features, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(features))
            layers += [activation_layer(**settings), nn.Dropout(dropout, **settings)]
            in_channels = features
        layers += [nn.Linear(in_channels, hidden_channels[-1], bias=bias), nn.Dropout(dropout, **settings)]
        super().__init__(*layers)
