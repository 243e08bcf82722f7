"""Training programs on texts, as users of PyTorch write them."""

import math

from ported import classes

STEPS = 15


def transformer_translation(lib, begin):
    """nn.Transformer with sinusoids in a buffer, causal and padding masks, and the warm-up of the original paper."""
    nn, optim = lib.nn, lib.optim

    class PositionalEncoding(nn.Module):
        def __init__(self, d_model, dropout=0.0, max_len=50):
            super().__init__()
            self.dropout = nn.Dropout(p=dropout)
            position = lib.arange(max_len).unsqueeze(1)
            div_term = lib.exp(lib.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
            pe = lib.zeros(max_len, 1, d_model)
            pe[:, 0, 0::2] = lib.sin(position * div_term)
            pe[:, 0, 1::2] = lib.cos(position * div_term)
            self.register_buffer("pe", pe)

        def forward(self, x):
            return self.dropout(x + self.pe[: x.size(0)])

    class Translator(nn.Module):
        def __init__(self, source_words, target_words, width):
            super().__init__()
            self.width = width
            self.source = nn.Embedding(source_words, width)
            self.target = nn.Embedding(target_words, width)
            self.position = PositionalEncoding(width)
            self.transformer = nn.Transformer(width, 2, 2, 1, dim_feedforward=16, dropout=0.0)
            self.generator = nn.Linear(width, target_words)
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.xavier_uniform_(p)

        def forward(self, source, target, padding):
            mask = nn.Transformer.generate_square_subsequent_mask(target.size(0)) < 0
            out = self.transformer(
                self.position(self.source(source) * math.sqrt(self.width)),
                self.position(self.target(target) * math.sqrt(self.width)),
                tgt_mask=mask,
                src_key_padding_mask=padding,
                memory_key_padding_mask=padding,
            )
            return self.generator(out)

    model = begin(Translator(11, 7, 8))
    source, target = classes(lib, (5, 3), 10) + 1, classes(lib, (6, 3), 7, seed=1)
    source[3:, 1] = 0
    padding = (source == 0).transpose(0, 1)
    optimizer = optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    scheduler = optim.lr_scheduler.LambdaLR(
        optimizer, lr_lambda=lambda step: 8**-0.5 * min((step + 1) ** -0.5, (step + 1) * 40**-1.5)
    )
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(STEPS):
        logits = model(source, target[:-1, :], padding)
        optimizer.zero_grad()
        loss = criterion(logits.reshape(-1, logits.shape[-1]), target[1:, :].reshape(-1))
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), scheduler.get_last_lr()[0]]
    return losses, model


def tied_language_model(lib, begin):
    """A small GPT: tied weights, no weight decay for biases and norms, warm-up, clipping, accumulated gradients."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class CausalSelfAttention(nn.Module):
        def __init__(self, width, heads, block_size):
            super().__init__()
            self.c_attn = nn.Linear(width, 3 * width)
            self.c_proj = nn.Linear(width, width)
            self.n_head, self.n_embd = heads, width
            mask = lib.tril(lib.ones(block_size, block_size)).view(1, 1, block_size, block_size)
            self.register_buffer("mask", mask, persistent=False)

        def forward(self, x):
            B, T, C = x.size()
            q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
            q, k, v = (y.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for y in (q, k, v))
            att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
            y = F.softmax(att, dim=-1) @ v
            return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))

    class Block(nn.Module):
        def __init__(self, width, heads, block_size):
            super().__init__()
            self.ln_1 = nn.LayerNorm(width)
            self.attn = CausalSelfAttention(width, heads, block_size)
            self.ln_2 = nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
            )

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self, vocab=12, width=8, heads=2, layers=2, block_size=6):
            super().__init__()
            self.transformer = nn.ModuleDict(
                {
                    "wte": nn.Embedding(vocab, width),
                    "wpe": nn.Embedding(block_size, width),
                    "h": nn.ModuleList([Block(width, heads, block_size) for _ in range(layers)]),
                    "ln_f": nn.LayerNorm(width),
                }
            )
            self.lm_head = nn.Linear(width, vocab, bias=False)
            self.transformer.wte.weight = self.lm_head.weight
            self.apply(self._init_weights)

        def _init_weights(self, module):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)

        def forward(self, idx, targets=None):
            pos = lib.arange(0, idx.size(1), dtype=lib.long, device=idx.device)
            x = self.transformer.wte(idx) + self.transformer.wpe(pos)
            for block in self.transformer.h:
                x = block(x)
            logits = self.lm_head(self.transformer.ln_f(x))
            if targets is None:
                return logits, None
            return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

    model = begin(GPT())
    assert model.transformer.wte.weight is model.lm_head.weight
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = [
        {"params": [p for p in parameters.values() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=STEPS)
    data = classes(lib, 60, 12)
    losses = []
    for step in range(STEPS):
        for micro in range(2):
            starts = [(7 * step + 5 * micro + i) % 50 for i in (0, 11, 23)]
            x = lib.stack([data[i : i + 6] for i in starts])
            y = lib.stack([data[i + 1 : i + 7] for i in starts])
            _, loss = model(x, y)
            (loss / 2).backward()
            losses.append(loss.item())
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(norm))
    return losses, model


def bag_of_words(lib, begin):
    """Texts end to end with offsets, the mean of their embeddings, and a linear classifier."""
    nn, optim = lib.nn, lib.optim

    class TextClassifier(nn.Module):
        def __init__(self, vocab_size, embed_dim, num_class):
            super().__init__()
            self.embedding = nn.EmbeddingBag(vocab_size, embed_dim, sparse=False)
            self.fc = nn.Linear(embed_dim, num_class)
            self.init_weights()

        def init_weights(self):
            initrange = 0.5
            self.embedding.weight.data.uniform_(-initrange, initrange)
            self.fc.weight.data.uniform_(-initrange, initrange)
            self.fc.bias.data.zero_()

        def forward(self, text, offsets):
            return self.fc(self.embedding(text, offsets))

    texts = [classes(lib, n, 15, seed=n) for n in (3, 6, 1, 4)]
    text = lib.cat(texts)
    offsets = lib.tensor([0, *map(len, texts[:-1])]).cumsum(dim=0)
    label = lib.tensor([0, 2, 1, 2], dtype=lib.int64)
    model = begin(TextClassifier(15, 6, 3))
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[5, 10], gamma=0.1)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(STEPS):
        model.train()
        optimizer.zero_grad()
        predicted = model(text, offsets)
        loss = criterion(predicted, label)
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), (predicted.argmax(1) == label).float().mean().item()]
    return losses, model
