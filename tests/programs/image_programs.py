"""Training programs on images, as users of PyTorch write them."""

from collections import OrderedDict

from ported import classes, normal, uniform

STEPS = 15


def classifier_with_hooks(lib, begin):
    """A convolutional classifier in named parts, whose features are read by a forward hook."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class Net(nn.Module):
        def __init__(self, num_classes=5):
            super().__init__()
            self.features = nn.Sequential(
                OrderedDict(
                    [
                        ("conv1", nn.Conv2d(3, 6, kernel_size=3, padding=1)),
                        ("bn1", nn.BatchNorm2d(6)),
                        ("relu1", nn.ReLU(inplace=True)),
                        ("pool1", nn.MaxPool2d(2, 2)),
                        ("conv2", nn.Conv2d(6, 8, kernel_size=3, stride=2, padding=1, bias=False)),
                        ("bn2", nn.BatchNorm2d(8)),
                        ("relu2", nn.ReLU(inplace=True)),
                    ]
                )
            )
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.dropout = nn.Dropout(p=0.0)
            self.fc = nn.Linear(8, num_classes)

        def forward(self, x):
            x = self.avgpool(self.features(x))
            x = x.view(x.size(0), -1)
            return self.fc(self.dropout(x))

    model = begin(Net())
    activations = {}

    def keep(name):
        def hook(module, inputs, output):
            activations[name] = output.detach()

        return hook

    handle = model.features.relu2.register_forward_hook(keep("relu2"))
    images, labels = normal(lib, 8, 3, 12, 12), classes(lib, 8, 5)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    losses = []
    for _ in range(STEPS):
        model.train()
        optimizer.zero_grad()
        output = model(images)
        loss = F.cross_entropy(output, labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        model.eval()
        with lib.no_grad():
            correct = (model(images).argmax(dim=1) == labels).sum().item()
            losses.append(correct / labels.size(0))
        losses.append(activations["relu2"].mean().item())
    handle.remove()
    assert activations.pop("relu2").shape == (8, 8, 3, 3)
    model(images)
    assert not activations
    return losses, model


def transfer_learning(lib, begin):
    """A residual network is trained, its body is loaded into another, frozen, and given a new head."""
    nn, optim = lib.nn, lib.optim

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride=1):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x):
            identity = x if self.downsample is None else self.downsample(x)
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += identity
            return self.relu(out)

    class ResNet(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.layer1 = self._make_layer(3, 4, 2, stride=1)
            self.layer2 = self._make_layer(4, 6, 1, stride=2)
            self.fc = nn.Linear(6, num_classes)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                    nn.init.constant_(m.weight, 1)
                    nn.init.constant_(m.bias, 0)

        def _make_layer(self, inputs, outputs, blocks, stride):
            layers = [Block(inputs, outputs, stride)]
            for _ in range(1, blocks):
                layers.append(Block(outputs, outputs))
            return nn.Sequential(*layers)

        def forward(self, x):
            x = self.layer2(self.layer1(x))
            return self.fc(lib.flatten(x.mean([2, 3]), 1))

    pretrained = begin(ResNet(7))
    criterion = nn.CrossEntropyLoss()
    images = normal(lib, 6, 3, 8, 8)

    def fit(model, labels, steps):
        trained = filter(lambda p: p.requires_grad, model.parameters())
        optimizer = optim.Adam(trained, lr=1e-2)
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    losses = []
    fit(pretrained, classes(lib, 6, 7), 5)
    body = {k: v for k, v in pretrained.state_dict().items() if not k.startswith("fc.")}
    model = ResNet(3)
    result = model.load_state_dict(body, strict=False)
    assert result.missing_keys == ["fc.weight", "fc.bias"] and not result.unexpected_keys
    for param in model.parameters():
        param.requires_grad = False
    model.fc = begin(nn.Linear(model.fc.in_features, 3))
    fit(model, classes(lib, 6, 3, seed=1), STEPS)
    assert all(p.grad is None for name, p in model.named_parameters() if not name.startswith("fc"))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 21
    return losses, model


def autoencoder(lib, begin):
    """Convolutions down, transposed convolutions up, and a loss that is a module of its own."""
    nn, optim = lib.nn, lib.optim

    class CharbonnierLoss(nn.Module):
        def __init__(self, eps=1e-3, reduction="mean"):
            super().__init__()
            self.eps = eps
            self.reduction = reduction

        def forward(self, prediction, target):
            loss = lib.sqrt((prediction - target) ** 2 + self.eps**2)
            return loss.mean() if self.reduction == "mean" else loss.sum()

    class AutoEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 4, 3, stride=2, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(4, 8, 3, stride=2, padding=1),
                nn.GELU(),
            )
            self.decoder = nn.Sequential(
                nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1),
                nn.ELU(),
                nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1),
                nn.Sigmoid(),
            )

        def forward(self, x):
            return self.decoder(self.encoder(x))

    model, criterion = begin(AutoEncoder()), CharbonnierLoss()
    images = uniform(lib, 4, 1, 12, 12)
    optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    losses = []
    for _ in range(STEPS):
        loss = criterion(model(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    losses.extend(scheduler.get_last_lr())
    return losses, model


def u_net(lib, begin):
    """Segmentation with skip connections joined by cat, and the sum of a Dice loss and a cross entropy."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    def double_conv(inputs, outputs):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding="same", bias=False),
            nn.GroupNorm(2, outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding="same", padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(outputs, affine=True),
            nn.SiLU(),
        )

    class UNet(nn.Module):
        def __init__(self, inputs, outputs, widths=(4, 6)):
            super().__init__()
            self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
            self.pool = nn.MaxPool2d(2)
            for width in widths:
                self.downs.append(double_conv(inputs, width))
                inputs = width
            self.bottleneck = double_conv(widths[-1], 8)
            inputs = 8
            for width in reversed(widths):
                self.ups.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))
                self.ups.append(double_conv(inputs + width, width))
                inputs = width
            self.final = nn.Conv2d(widths[0], outputs, kernel_size=1)

        def forward(self, x):
            skips = []
            for down in self.downs:
                x = down(x)
                skips.append(x)
                x = self.pool(x)
            x = self.bottleneck(x)
            skips = skips[::-1]
            for i in range(0, len(self.ups), 2):
                x = self.ups[i](x)
                skip = skips[i // 2]
                if x.shape[2:] != skip.shape[2:]:
                    x = F.interpolate(x, size=skip.shape[2:])
                x = self.ups[i + 1](lib.cat((skip, x), dim=1))
            return self.final(x)

    def dice(logits, target):
        probability = logits.softmax(dim=1)
        truth = F.one_hot(target, 3).permute(0, 3, 1, 2).to(probability.dtype)
        overlap = (probability * truth).sum(dim=(0, 2, 3))
        return 1 - ((2 * overlap + 1) / (probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)).mean()

    model = begin(UNet(2, 3))
    images, masks = normal(lib, 2, 2, 10, 10), classes(lib, (2, 10, 10), 3)
    optimizer = optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.5)
    losses = []
    for _ in range(STEPS):
        logits = model(images)
        loss = F.cross_entropy(logits, masks, weight=lib.tensor([0.5, 1.0, 2.0])) + dice(logits, masks)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def siamese(lib, begin):
    """One network on anchor, positive and negative; margin in normalized space."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class Embedder(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.net = nn.Sequential(
                nn.Flatten(), nn.Linear(48, 16), nn.PReLU(16), nn.LayerNorm(16), nn.Linear(16, dim, bias=False)
            )

        def forward(self, *images):
            out = tuple(F.normalize(self.net(image), p=2, dim=-1) for image in images)
            return out if len(out) > 1 else out[0]

    model = begin(Embedder(6))
    criterion = nn.TripletMarginLoss(margin=1.0, p=2)
    anchor = normal(lib, 6, 3, 4, 4)
    positive, negative = anchor + 0.1 * normal(lib, 6, 3, 4, 4, seed=1), normal(lib, 6, 3, 4, 4, seed=2)
    optimizer = optim.Adagrad(model.parameters(), lr=0.02)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = criterion(*model(anchor, positive, negative))
        loss.backward()
        total = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        losses += [loss.item(), total.item(), F.pairwise_distance(model(anchor), model(positive)).max().item()]
    return losses, model
