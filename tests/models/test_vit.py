"""VisionTransformer has torchvision's parameters by name, shape and distribution, and is its twin in PyTorch."""

import math

import numpy as np
import pytest
from sequence_twins import spread
from tolerances import assert_close
from twin_models import array, compare, models, torch

import gpudl
from gpudl import nn
from gpudl.models import ConvStemConfig, VisionTransformer, vit_b_16, vit_b_32, vit_h_14, vit_l_16, vit_l_32
from gpudl.nn.fill import skipping

SIZES = {"image_size": 8, "patch_size": 4, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12}
KINDS = [
    {"num_classes": 5},
    {"num_classes": 3, "representation_size": 6},
    {"num_classes": 3, "conv_stem_configs": [(6, 3, 2), (7, 3, 2)]},
]


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_vision_transformer_is_its_pytorch_twin(settings, device):
    def make(lib):
        vit = models(lib, "vit")
        given = dict(settings)
        if "conv_stem_configs" in given:
            given["conv_stem_configs"] = [vit.ConvStemConfig(*sizes) for sizes in given["conv_stem_configs"]]
        return spread(lib, vit.VisionTransformer(**SIZES, **given), 0.3)

    compare(make, array(3, 3, 8, 8), device=device, slack=20)
    compare(make, array(3, 3, 8, 8, dtype="float64"), device=device, dtype="float64", slack=20)


def test_vision_transformer_is_pytorchs_encoder_over_patches(device):
    """By another road than its own source: patches cut by hand, and torch.nn.TransformerEncoderLayer."""
    model = spread(gpudl, VisionTransformer(**SIZES, num_classes=5), 0.3).to(device)
    x = array(2, 3, 8, 8)
    weights = {name: torch.tensor(value.cpu().numpy()) for name, value in model.state_dict().items()}
    patches = torch.tensor(x).reshape(2, 3, 2, 4, 2, 4).permute(0, 2, 4, 1, 3, 5).reshape(2, 4, 48)
    y = patches @ weights["conv_proj.weight"].reshape(8, 48).T + weights["conv_proj.bias"]
    y = torch.cat([weights["class_token"].expand(2, 1, 8), y], 1) + weights["encoder.pos_embedding"]
    for number in range(2):
        layer = torch.nn.TransformerEncoderLayer(
            8, 2, 12, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        prefix = f"encoder.layers.encoder_layer_{number}."
        own = {"self_attention": "self_attn", "ln_": "norm", "mlp.0": "linear1", "mlp.3": "linear2"}
        renamed = {}
        for name, value in weights.items():
            if name.startswith(prefix):
                for old, new in own.items():
                    name = name.removeprefix(prefix).replace(old, new)
                renamed[name] = value
        layer.load_state_dict(renamed)
        y = layer(y)
    y = torch.nn.functional.layer_norm(y, (8,), weights["encoder.ln.weight"], weights["encoder.ln.bias"], 1e-6)
    want = y[:, 0] @ weights["heads.head.weight"].T + weights["heads.head.bias"]
    got = model(gpudl.tensor(x, device=device))
    assert_close(got.detach().cpu().numpy(), want.detach().numpy(), "logits", slack=20)


def layer(number, width, mlp):
    """Names and shapes of one layer's parameters in torchvision 0.29."""
    return {
        f"encoder.layers.encoder_layer_{number}.{name}": shape
        for name, shape in {
            "ln_1.weight": (width,),
            "ln_1.bias": (width,),
            "self_attention.in_proj_weight": (3 * width, width),
            "self_attention.in_proj_bias": (3 * width,),
            "self_attention.out_proj.weight": (width, width),
            "self_attention.out_proj.bias": (width,),
            "ln_2.weight": (width,),
            "ln_2.bias": (width,),
            "mlp.0.weight": (mlp, width),
            "mlp.0.bias": (mlp,),
            "mlp.3.weight": (width, mlp),
            "mlp.3.bias": (width,),
        }.items()
    }


def vit_shapes(layers, width, mlp, patch, positions):
    """Names and shapes of a model's parameters in torchvision 0.29, in its order."""
    shapes = {
        "class_token": (1, 1, width),
        "conv_proj.weight": (width, 3, patch, patch),
        "conv_proj.bias": (width,),
        "encoder.pos_embedding": (1, positions, width),
    }
    for number in range(layers):
        shapes.update(layer(number, width, mlp))
    ends = {"encoder.ln.weight": (width,), "encoder.ln.bias": (width,)}
    return {**shapes, **ends, "heads.head.weight": (1000, width), "heads.head.bias": (1000,)}


@pytest.fixture
def unfilled():
    """Weights are allocated but never written, which takes neither time nor memory."""
    with skipping():
        yield


@pytest.mark.parametrize(
    ("make", "sizes", "count"),
    [
        (vit_b_16, (12, 768, 3072, 16, 197), 86_567_656),
        (vit_b_32, (12, 768, 3072, 32, 50), 88_224_232),
        (vit_l_16, (24, 1024, 4096, 16, 197), 304_326_632),
        (vit_l_32, (24, 1024, 4096, 32, 50), 306_535_400),
        (vit_h_14, (32, 1280, 5120, 14, 257), 632_045_800),
    ],
)
def test_sizes_are_those_of_torchvision(make, sizes, count, unfilled):
    model = make()
    got = {name: value.shape for name, value in model.state_dict().items()}
    assert list(got.items()) == list(vit_shapes(*sizes).items())
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert model.encoder.ln.eps == 1e-6 and model.image_size == 224 and model.seq_length == sizes[-1]
    assert model.encoder.layers[0].num_heads == (12 if sizes[1] == 768 else 16)


def test_sizes_take_the_other_settings(unfilled):
    model = vit_b_32(image_size=64, num_classes=7, dropout=0.1, attention_dropout=0.2)
    assert (model.image_size, model.seq_length, model.num_classes) == (64, 5, 7)
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.1}
    assert {m.dropout for m in model.modules() if isinstance(m, nn.MultiheadAttention)} == {0.2}


def test_names_with_a_representation_and_with_convolutions():
    names = list(VisionTransformer(**SIZES, representation_size=6).state_dict())
    assert names[-4:] == ["heads.pre_logits.weight", "heads.pre_logits.bias", "heads.head.weight", "heads.head.bias"]
    stem = VisionTransformer(**SIZES, conv_stem_configs=[ConvStemConfig(6, 3, 2), ConvStemConfig(7, 3, 2)])
    got = {name: value.shape for name, value in stem.state_dict().items() if name.startswith("conv_proj")}
    assert {name: shape for name, shape in got.items() if "weight" in name} == {
        "conv_proj.conv_bn_relu_0.0.weight": (6, 3, 3, 3),
        "conv_proj.conv_bn_relu_0.1.weight": (6,),
        "conv_proj.conv_bn_relu_1.0.weight": (7, 6, 3, 3),
        "conv_proj.conv_bn_relu_1.1.weight": (7,),
        "conv_proj.conv_last.weight": (8, 7, 1, 1),
    }
    assert "conv_proj.conv_bn_relu_0.0.bias" not in got and "conv_proj.conv_last.bias" in got


def test_weights_with_torchvisions_older_names_load():
    model = VisionTransformer(**SIZES)
    changed = {name: value + 1 for name, value in model.state_dict().items()}
    older = {name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v for name, v in changed.items()}
    assert "encoder.layers.encoder_layer_1.mlp.linear_2.bias" in older
    assert not any(model.load_state_dict(older))
    assert all(gpudl.equal(value, changed[name]) for name, value in model.state_dict().items())
    older["more"] = gpudl.zeros(1)
    assert model.load_state_dict(older, strict=False).unexpected_keys == ["more"]
    with pytest.raises(RuntimeError, match="more"):
        model.load_state_dict(older)


def std_of(parameter):
    """The standard deviation, and how far it may be from that of its distribution: 6 standard errors."""
    values = parameter.detach().numpy()
    return values.std(), 6 / math.sqrt(2 * values.size)


def test_initial_weights_are_those_of_torchvision():
    model = VisionTransformer(32, 4, 1, 4, 64, 256, representation_size=64)
    assert not model.class_token.any() and not model.heads.head.weight.any() and not model.heads.head.bias.any()
    assert not model.conv_proj.bias.any() and not model.heads.pre_logits.bias.any()
    block = model.encoder.layers[0]
    for parameter, std in (
        (model.encoder.pos_embedding, 0.02),
        (model.conv_proj.weight, math.sqrt(1 / 48)),
        (model.heads.pre_logits.weight, math.sqrt(1 / 64)),
        (block.mlp[0].weight, math.sqrt(2 / (64 + 256))),
        (block.mlp[3].weight, math.sqrt(2 / (64 + 256))),
        (block.mlp[0].bias, 1e-6),
        (block.self_attention.in_proj_weight, math.sqrt(2 / (64 + 192))),
    ):
        got, slack = std_of(parameter)
        assert abs(got / std - 1) < slack
    stem = VisionTransformer(**{**SIZES, "hidden_dim": 64}, conv_stem_configs=[ConvStemConfig(32, 3, 4)])
    got, slack = std_of(stem.conv_proj.conv_last.weight)
    assert abs(got / math.sqrt(2 / 64) - 1) < slack
    assert not stem.conv_proj.conv_last.bias.any()


def test_dropout_acts_in_training_only(device):
    for settings in ({"dropout": 0.5}, {"attention_dropout": 0.5}):
        model = VisionTransformer(**SIZES, **settings).to(device)
        nn.init.normal_(model.heads.head.weight)
        x = gpudl.tensor(array(2, 3, 8, 8), device=device)
        assert not gpudl.equal(model(x), model(x))
        model.eval()
        assert gpudl.equal(model(x), model(x))


def test_patches_know_their_places(device):
    """Without position vectors the class would not depend on the order of the patches."""
    model = VisionTransformer(**SIZES).to(device)
    nn.init.normal_(model.heads.head.weight)
    x = array(1, 3, 8, 8)
    turned = np.roll(x, 4, 3)
    y, z = (model(gpudl.tensor(each, device=device)) for each in (x, turned))
    assert not gpudl.allclose(y, z)
    nn.init.zeros_(model.encoder.pos_embedding)
    y, z = (model(gpudl.tensor(each, device=device)) for each in (x, turned))
    assert gpudl.allclose(y, z, rtol=1e-4, atol=1e-5)


def test_vision_transformer_says_what_images_it_takes():
    with pytest.raises(ValueError, match="patch_size 3 must divide image_size 8"):
        VisionTransformer(**{**SIZES, "patch_size": 3})
    model = VisionTransformer(**SIZES)
    for shape in ((1, 3, 8, 9), (1, 3, 9, 8), (3, 8, 8)):
        with pytest.raises(gpudl.ShapeError, match=r"VisionTransformer: expected \(N, 3, 8, 8\), got"):
            model(gpudl.zeros(*shape))
    with pytest.raises(RuntimeError, match="conv_proj"):
        model(gpudl.zeros(1, 4, 8, 8))
