"""Training programs around what users write themselves: layers, losses, closures, averages and checkpoints."""

import copy
import io
import math
import pickle

from ported import classes, normal

STEPS = 15


def own_layers(lib, begin):
    """Layers with parameters and buffers of their own, initialized by apply, in a ModuleDict of heads."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class NoisyLinear(nn.Module):
        def __init__(self, in_features, out_features):
            super().__init__()
            self.in_features, self.out_features = in_features, out_features
            self.weight = nn.Parameter(lib.empty(out_features, in_features))
            self.bias = nn.Parameter(lib.zeros(out_features))
            self.scale = nn.Parameter(lib.tensor(1.0))
            self.register_buffer("running_mean", lib.zeros(in_features))
            self.register_buffer("calls", lib.tensor(0, dtype=lib.long))
            self.register_parameter("unused", None)
            self.reset_parameters()

        def reset_parameters(self):
            nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

        def forward(self, x):
            if self.training:
                with lib.no_grad():
                    self.calls += 1
                    self.running_mean.mul_(0.9).add_(x.mean(dim=0), alpha=0.1)
            return F.linear(x - self.running_mean, self.weight, self.bias) * self.scale

        def extra_repr(self):
            return f"in_features={self.in_features}, out_features={self.out_features}"

    class MultiTask(nn.Module):
        def __init__(self, tasks):
            super().__init__()
            self.trunk = nn.ModuleList([NoisyLinear(6, 8), NoisyLinear(8, 8)])
            self.heads = nn.ModuleDict({name: nn.Linear(8, size) for name, size in tasks.items()})
            self.log_sigma = nn.ParameterDict({name: nn.Parameter(lib.zeros(1)) for name in tasks})
            self.gates = nn.ParameterList([nn.Parameter(lib.ones(8)) for _ in range(2)])

        def forward(self, x):
            for i, layer in enumerate(self.trunk):
                x = lib.tanh(layer(x)) * self.gates[i]
            return {name: head(x) for name, head in self.heads.items()}

    @lib.no_grad()
    def init_weights(m):
        if type(m) is nn.Linear:
            nn.init.trunc_normal_(m.weight, std=0.02)
            m.bias.fill_(0.01)

    model = MultiTask({"kind": 3, "size": 1})
    model.apply(init_weights)
    assert bool((model.heads["kind"].bias == 0.01).all())
    begin(model)
    x, kind, size = normal(lib, 7, 6), classes(lib, 7, 3), normal(lib, 7, 1, seed=1)
    optimizer = optim.Adam(
        [
            {"params": model.trunk.parameters()},
            {"params": list(model.heads.parameters()) + list(model.gates), "lr": 1e-3},
            {"params": model.log_sigma.values(), "lr": 0.1},
        ],
        lr=1e-2,
    )
    losses = []
    for _ in range(STEPS):
        out = model(x)
        parts = {"kind": F.cross_entropy(out["kind"], kind), "size": F.smooth_l1_loss(out["size"], size)}
        loss = sum(parts[k] * lib.exp(-2 * model.log_sigma[k]) + model.log_sigma[k] for k in parts).squeeze()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def averaged_weights(lib, begin):
    """A model, its exponential moving average by AveragedModel and by hand, and SWA's learning rate."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim
    swa_utils = optim.swa_utils
    model = begin(nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)))
    ema_model = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True)
    swa_model = swa_utils.AveragedModel(model)
    target = copy.deepcopy(model)
    for p in target.parameters():
        p.requires_grad_(False)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, dampening=0.1)
    swa_scheduler = swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=3)
    x, y = normal(lib, 16, 5), normal(lib, 16, 1, seed=1)
    batches = list(zip(x.split(4), y.chunk(4)))
    losses = []
    for _ in range(5):
        for xb, yb in batches:
            optimizer.zero_grad()
            loss = F.mse_loss(model(xb), yb) + 0.1 * F.huber_loss(model(xb), target(xb))
            loss.backward()
            optimizer.step()
            ema_model.update_parameters(model)
            with lib.no_grad():
                for p_t, p in zip(target.parameters(), model.parameters()):
                    p_t.data.mul_(0.95).add_((1 - 0.95) * p.data)
            losses.append(loss.item())
        swa_model.update_parameters(model)
        swa_scheduler.step()
    swa_utils.update_bn([xb for xb, _ in batches], swa_model)
    for each in (ema_model, swa_model, target):
        each.eval()
        losses.append(F.mse_loss(each(x), y).item())
    return losses, nn.ModuleDict({"ema": ema_model, "swa": swa_model, "target": target})


def regression_by_lbfgs(lib, begin):
    """A closure that the optimizer calls as often as it needs, and an L1 penalty over all parameters."""
    nn, optim = lib.nn, lib.optim
    model = begin(nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)))
    x = normal(lib, 20, 2)
    y = lib.sin(x[:, :1]) + 0.5 * x[:, 1:] ** 2
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(model.parameters(), lr=0.5, max_iter=4, history_size=5, line_search_fn="strong_wolfe")
    losses = []
    for _ in range(8):

        def closure():
            optimizer.zero_grad()
            loss = criterion(model(x), y) + 1e-3 * sum(p.abs().sum() for p in model.parameters())
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
    return losses, model


def resumed_training(lib, begin):
    """Training that stops, is saved with pickle, and goes on in new objects; a part of the weights by prefix."""
    nn, optim = lib.nn, lib.optim

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU6())
            self.decoder = nn.Linear(6, 4)

        def forward(self, x):
            return self.decoder(self.encoder(x))

    def build(model):
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        return optimizer, optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2)

    def fit(model, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.l1_loss(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())

    losses, x, y = [], normal(lib, 9, 4), normal(lib, 9, 4, seed=1)
    model = begin(Model())
    optimizer, scheduler = build(model)
    fit(model, optimizer, scheduler, 7)
    file = io.BytesIO()
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    pickle.dump({"epoch": 7, **states}, file)
    file.seek(0)
    checkpoint = pickle.load(file)
    again = Model()
    prefix = "encoder."
    part = {k[len(prefix) :]: v for k, v in checkpoint["model"].items() if k.startswith(prefix)}
    again.encoder.load_state_dict(part)
    missing, unexpected = again.load_state_dict({k: v for k, v in checkpoint["model"].items() if "decoder" in k}, False)
    assert missing == [k for k in again.state_dict() if k.startswith(prefix)] and unexpected == []
    optimizer, scheduler = build(again)
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    fit(again, optimizer, scheduler, 8)
    return losses, again


def own_machinery(lib, begin):
    """A function with its own derivative, layers derived from others, an optimizer and a schedule of one's own."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class Quantize(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, levels):
            ctx.save_for_backward(x)
            ctx.levels = levels
            return (x * levels).round() / levels

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * (x.abs() <= 1).to(grad_output.dtype), None

    class StandardizedConv2d(nn.Conv2d):
        def forward(self, x):
            w = self.weight
            mean = w.mean(dim=(1, 2, 3), keepdim=True)
            std = w.view(w.size(0), -1).std(dim=1).view(-1, 1, 1, 1) + 1e-5
            w = (w - mean) / std.expand_as(w)
            return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)

    class LoRALinear(nn.Linear):
        def __init__(self, in_features, out_features, rank=2, **kwargs):
            super().__init__(in_features, out_features, **kwargs)
            self.lora_A = nn.Parameter(self.weight.new_zeros((rank, in_features)))
            self.lora_B = nn.Parameter(self.weight.new_zeros((out_features, rank)))
            nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
            self.weight.requires_grad = False

        def forward(self, x):
            return super().forward(x) + x @ self.lora_A.transpose(0, 1) @ self.lora_B.T

    class SignMomentum(optim.Optimizer):
        def __init__(self, params, lr=1e-2, beta=0.9):
            if lr < 0.0:
                raise ValueError(f"Invalid learning rate: {lr}")
            super().__init__(params, dict(lr=lr, beta=beta))  # noqa: C408

        @lib.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["exp_avg"] = lib.zeros_like(p)
                    state["exp_avg"].mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                    p.add_(state["exp_avg"], alpha=-group["lr"])

    class InverseSquareRoot(optim.lr_scheduler.LRScheduler):
        def __init__(self, optimizer, warmup, last_epoch=-1):
            self.warmup = warmup
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            factor = min((self.last_epoch + 1) / self.warmup, (self.warmup / (self.last_epoch + 1)) ** 0.5)
            return [base_lr * factor for base_lr in self.base_lrs]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = StandardizedConv2d(2, 4, 3, padding=1)
            self.fc = LoRALinear(4, 3)

        def forward(self, x):
            x = Quantize.apply(lib.tanh(self.conv(x)), 64)
            return self.fc(x.mean(dim=(-2, -1)))

    model = begin(Net())
    images, labels = normal(lib, 5, 2, 6, 6), classes(lib, 5, 3)
    optimizer = SignMomentum([p for p in model.parameters() if p.requires_grad], lr=0.5)
    scheduler = InverseSquareRoot(optimizer, warmup=4)
    norms = []
    handle = model.fc.lora_B.register_hook(lambda grad: norms.append(grad.norm().item()))
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), scheduler.get_last_lr()[0]]
    handle.remove()
    return losses + norms, model
