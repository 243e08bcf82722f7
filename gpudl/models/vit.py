"""Vision Transformer: an image as a sequence of patches. Dosovitskiy et al. 2021, arXiv:2010.11929."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import gpudl
from gpudl import Tensor, nn

__all__ = ["ConvStemConfig", "VisionTransformer", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32"]

L = TypeVar("L", bound=nn.Module)
_layer_norm = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of those that may stand in the place of the cut into patches; Xiao et al. 2021, arXiv:2106.14881.

    Args:
        out_channels, kernel_size, stride: of the convolution, which is padded by half its kernel and has no bias.
        norm_layer: makes the normalization from its channels.
        activation_layer: makes the activation.
    """

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


class MLPBlock(nn.Sequential):
    """Two linear layers around a GELU, each with dropout."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        linear1, linear2 = nn.Linear(in_dim, mlp_dim), nn.Linear(mlp_dim, in_dim)
        super().__init__(linear1, nn.GELU(), nn.Dropout(dropout), linear2, nn.Dropout(dropout))
        for linear in (linear1, linear2):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.normal_(linear.bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Attention of the patches to each other and an MLPBlock, each reading what is normalized and adding to it."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _layer_norm,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        x: Tensor = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        x = x + self.mlp(self.ln_2(x))
        return x


class Encoder(nn.Module):
    """Position vectors added, EncoderBlocks one after the other, and a normalization."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _layer_norm,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(gpudl.empty(1, seq_length, hidden_dim))
        nn.init.normal_(self.pos_embedding, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (
                    f"encoder_layer_{number}",
                    EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer),
                )
                for number in range(num_layers)
            )
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        x: Tensor = self.ln(self.layers(self.dropout(input + self.pos_embedding)))
        return x


class VisionTransformer(nn.Module):
    """Classes of images: patches and one more vector, which learns to gather what the classes need, through an Encoder.

    torchvision's model; weights saved there load here, those with older names of the MLPBlocks' layers too.

    Args:
        image_size: height and width of the images.
        patch_size: height and width of a patch; divides image_size.
        num_layers: of the encoder.
        num_heads: of its attentions; divides hidden_dim.
        hidden_dim: E, features of a patch.
        mlp_dim: features between the linear layers of an MLPBlock.
        dropout: the probability of 0 in the encoder's input and what its blocks add, in training.
        attention_dropout: in attention weights.
        num_classes: of the result.
        representation_size: features of one more linear layer, with a tanh, before the last; None for no such layer.
        norm_layer: makes a normalization from its features.
        conv_stem_configs: ConvStemConfigs of convolutions that, with one more of 1 x 1, make the patches' vectors from
            the image, together with a stride of patch_size; None for one convolution of patch_size.
    Shape: (N, 3, image_size, image_size) to (N, num_classes).
    Attributes:
        class_token: (1, 1, E), 0 at first.
        conv_proj: a Conv2d, or a Sequential if there are conv_stem_configs.
        encoder: pos_embedding (1, patches + 1, E), drawn from the normal distribution of std 0.02; layers, with names
            encoder_layer_0 ...; and ln.
        heads: a Sequential of head, before it pre_logits and act if there is a representation_size; the head's weight
            and bias are 0 at first.
        seq_length: patches + 1; and most of the arguments, as given.
    Raises: ValueError for a patch_size that does not divide image_size; ShapeError for images of another size.
    Source: Dosovitskiy et al. 2021, "An image is worth 16x16 words", arXiv:2010.11929; several convolutions: Xiao et
        al. 2021, arXiv:2106.14881.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Callable[..., nn.Module] = _layer_norm,
        conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(f"VisionTransformer: patch_size {patch_size} must divide image_size {image_size}")
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        self.conv_proj: nn.Module
        if conv_stem_configs is None:
            conv = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
            self.conv_proj = _drawn(conv, math.sqrt(1 / (3 * patch_size**2)))
        else:
            self.conv_proj = _conv_stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(gpudl.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = _drawn(nn.Linear(hidden_dim, representation_size), math.sqrt(1 / hidden_dim))
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        for parameter in heads["head"].parameters():
            nn.init.zeros_(parameter)
        self.heads = nn.Sequential(heads)

    def forward(self, x: Tensor) -> Tensor:
        size = self.image_size
        if x.ndim != 4 or tuple(x.shape[2:]) != (size, size):
            raise gpudl.ShapeError(f"VisionTransformer: expected (N, 3, {size}, {size}), got {tuple(x.shape)}")
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        x = gpudl.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.heads(self.encoder(x)[:, 0])
        return x

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As of Module; also takes torchvision's older names, mlp.linear_1 and mlp.linear_2."""
        renamed = {
            name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3."): value
            for name, value in state_dict.items()
        }
        return super().load_state_dict(renamed, *args, **kwargs)


def _drawn(layer: L, std: float, draw: Callable[..., Any] = nn.init.trunc_normal_) -> L:
    """A layer with its weight drawn anew and a bias of 0."""
    draw(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer


def _conv_stem(configs: Sequence[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    """Convolutions with a normalization and an activation each, and one of 1 x 1."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for number, (width, kernel, stride, norm_layer, activation_layer) in enumerate(configs):
        conv = nn.Conv2d(channels, width, kernel, stride, padding=(kernel - 1) // 2, bias=False)
        parts[f"conv_bn_relu_{number}"] = nn.Sequential(conv, norm_layer(width), activation_layer())
        channels = width
    last = nn.Conv2d(channels, hidden_dim, kernel_size=1)
    parts["conv_last"] = _drawn(last, math.sqrt(2 / hidden_dim), nn.init.normal_)
    return nn.Sequential(parts)


def _sized(
    patch_size: int, layers: int, heads: int, hidden: int, mlp: int, kwargs: dict[str, Any]
) -> VisionTransformer:
    return VisionTransformer(kwargs.pop("image_size", 224), patch_size, layers, heads, hidden, mlp, **kwargs)


def vit_b_16(**kwargs: Any) -> VisionTransformer:
    """The base size, patches of 16 x 16, 86,567,656 parameters. Args: as VisionTransformer, image_size 224."""
    return _sized(16, 12, 12, 768, 3072, kwargs)


def vit_b_32(**kwargs: Any) -> VisionTransformer:
    """The base size, patches of 32 x 32, 88,224,232 parameters. Args: as VisionTransformer, image_size 224."""
    return _sized(32, 12, 12, 768, 3072, kwargs)


def vit_l_16(**kwargs: Any) -> VisionTransformer:
    """The large size, patches of 16 x 16, 304,326,632 parameters. Args: as VisionTransformer, image_size 224."""
    return _sized(16, 24, 16, 1024, 4096, kwargs)


def vit_l_32(**kwargs: Any) -> VisionTransformer:
    """The large size, patches of 32 x 32, 306,535,400 parameters. Args: as VisionTransformer, image_size 224."""
    return _sized(32, 24, 16, 1024, 4096, kwargs)


def vit_h_14(**kwargs: Any) -> VisionTransformer:
    """The huge size, patches of 14 x 14, 632,045,800 parameters. Args: as VisionTransformer, image_size 224."""
    return _sized(14, 32, 16, 1280, 5120, kwargs)
