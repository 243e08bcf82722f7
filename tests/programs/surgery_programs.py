"""Training programs that reach into a model while it is trained, as users of PyTorch write them."""

import copy

from ported import classes, normal


def surgery(lib, begin):
    """Weights changed by hand between steps, layers replaced, parameters frozen, added and left out."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4))
            self.lstm = nn.LSTM(4, 3, num_layers=2)
            self.fc = nn.Linear(3, 2)
            self.register_buffer("steps", lib.zeros(1))

        def forward(self, x):
            self.steps = self.steps + 1
            self.lstm.flatten_parameters()
            y, _ = self.lstm(self.body(x))
            return self.fc(y[-1])

    model = begin(Net())
    n = model.lstm.bias_ih_l0.size(0)
    model.lstm.bias_ih_l0.data[n // 4 : n // 2].fill_(1.0)
    nn.init.constant_(model.lstm.bias_ih_l1[n // 4 : n // 2], 1.0)
    with lib.no_grad():
        model.lstm.bias_hh_l0[n // 4 : n // 2] = 0.5
    x, y = normal(lib, 6, 3, 4), classes(lib, 3, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    losses = []

    def train(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    train(3)
    for p in model.parameters():
        p.data.clamp_(-0.5, 0.5)
    train(1)
    for p in model.parameters():
        p.data = p.data - 0.1 * p.grad
    train(2)
    average = copy.deepcopy(model)
    for p in model.parameters():
        p.grad.data.zero_()
    optimizer.step()
    for slow, fast in zip(average.parameters(), model.parameters()):
        slow.data.copy_(0.1 * fast.data + 0.9 * slow.data)
    for p in model.parameters():
        p.grad = None
    optimizer.step()
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Tanh())
    train(2)
    model.fc = begin(nn.Linear(3, 2))
    optimizer.add_param_group({"params": model.fc.parameters(), "lr": 0.01})
    train(2)
    for p in model.body.parameters():
        p.requires_grad_(False)
    train(2)
    model.body.requires_grad_()
    for group in optimizer.param_groups:
        group["lr"] *= 0.5
    train(2)
    losses.append(optimizer.state[model.body[0].weight]["exp_avg"].abs().sum().item())
    features = nn.Sequential(*list(model.children())[:1])
    losses += [features(x).sum().item(), model.steps.item()]
    wrapped = {"module." + k: v for k, v in model.state_dict().items()}
    average.body[1] = nn.Tanh()
    average.load_state_dict({k.replace("module.", ""): v for k, v in wrapped.items() if "lstm" in k}, strict=False)
    losses.append(average(x).sum().item())
    del model.fc
    assert not hasattr(model, "fc")
    model.fc = nn.Identity()
    losses.append(model(x).sum().item())
    return losses, model
