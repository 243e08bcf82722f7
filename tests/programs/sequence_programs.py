"""Training programs with recurrent networks, as users of PyTorch write them."""

from ported import classes, normal

STEPS = 15


def packed_lstm(lib, begin):
    """A tagger of sequences of several lengths: embedding, packed bidirectional LSTM, loss without the padding."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim
    pack_padded_sequence, pad_packed_sequence = nn.utils.rnn.pack_padded_sequence, nn.utils.rnn.pad_packed_sequence
    PAD = 0

    class Tagger(nn.Module):
        def __init__(self, vocab_size, embedding_dim, hidden_dim, tags):
            super().__init__()
            self.embed = nn.Embedding(vocab_size, embedding_dim, padding_idx=PAD)
            self.lstm = nn.LSTM(
                embedding_dim, hidden_dim, num_layers=2, batch_first=True, bidirectional=True, dropout=0.0
            )
            self.hidden2tag = nn.Linear(2 * hidden_dim, tags)
            for name, param in self.lstm.named_parameters():
                if "bias" in name:
                    nn.init.zeros_(param)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(param)
                else:
                    nn.init.xavier_uniform_(param)

        def forward(self, tokens, lengths):
            packed = pack_padded_sequence(self.embed(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False)
            out, (h_n, _) = self.lstm(packed)
            out, _ = pad_packed_sequence(out, batch_first=True, total_length=tokens.size(1))
            return F.log_softmax(self.hidden2tag(out), dim=-1), h_n

    lengths = lib.tensor([4, 7, 2, 5])
    tokens = nn.utils.rnn.pad_sequence(
        [classes(lib, int(n), 9, seed=i) + 1 for i, n in enumerate(lengths)], batch_first=True, padding_value=PAD
    )
    targets = classes(lib, tuple(tokens.shape), 4).masked_fill(tokens == PAD, -100)
    model = begin(Tagger(10, 5, 6, 4))
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1, threshold=0.05)
    losses = []
    for _ in range(STEPS):
        model.zero_grad()
        scores, h_n = model(tokens, lengths)
        loss = F.nll_loss(scores.view(-1, 4), targets.view(-1), ignore_index=-100)
        loss.backward()
        optimizer.step()
        scheduler.step(loss.item())
        losses += [loss.item(), h_n[-1].sum().item(), optimizer.param_groups[0]["lr"]]
    return losses, model


def translation_by_cells(lib, begin):
    """A recurrent encoder, and a decoder of one GRUCell with attention that is forced or fed its own words."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class Encoder(nn.Module):
        def __init__(self, words, width):
            super().__init__()
            self.embedding = nn.Embedding(words, width)
            self.gru = nn.GRU(width, width, batch_first=True)

        def forward(self, source):
            return self.gru(self.embedding(source))

    class Decoder(nn.Module):
        def __init__(self, words, width):
            super().__init__()
            self.embedding = nn.Embedding(words, width)
            self.cell = nn.GRUCell(2 * width, width)
            self.score = nn.Linear(width, width, bias=False)
            self.out = nn.Linear(width, words)

        def forward(self, token, hidden, memory):
            weights = F.softmax(lib.bmm(self.score(memory), hidden.unsqueeze(2)).squeeze(2), dim=1)
            context = lib.bmm(weights.unsqueeze(1), memory).squeeze(1)
            hidden = self.cell(lib.cat([self.embedding(token), context], dim=-1), hidden)
            return self.out(hidden), hidden, weights

    class Seq2Seq(nn.Module):
        def __init__(self, encoder, decoder):
            super().__init__()
            self.encoder, self.decoder = encoder, decoder

        def forward(self, source, target, force):
            memory, hidden = self.encoder(source)
            hidden = hidden.squeeze(0)
            token = target[:, 0]
            outputs = lib.zeros(source.size(0), target.size(1) - 1, 8)
            for t in range(1, target.size(1)):
                logits, hidden, _ = self.decoder(token, hidden, memory)
                outputs[:, t - 1] = logits
                token = target[:, t] if force else logits.argmax(1)
            return outputs

    model = begin(Seq2Seq(Encoder(9, 6), Decoder(8, 6)))
    encoder_optimizer = optim.Adam(model.encoder.parameters(), lr=0.01)
    decoder_optimizer = optim.NAdam(model.decoder.parameters(), lr=0.01)
    source, target = classes(lib, (3, 5), 9), classes(lib, (3, 6), 8, seed=1)
    criterion = nn.CrossEntropyLoss(ignore_index=0)
    losses = []
    for step in range(STEPS):
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        outputs = model(source, target, force=step % 3 != 0)
        loss = criterion(outputs.reshape(-1, outputs.size(-1)), target[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        encoder_optimizer.step()
        decoder_optimizer.step()
        losses.append(loss.item())
    return losses, model


def speech_by_ctc(lib, begin):
    """A recurrent network over frames, whose alignment with the letters CTC sums over."""
    nn, optim = lib.nn, lib.optim

    class Recognizer(nn.Module):
        def __init__(self, features, hidden, letters):
            super().__init__()
            self.conv = nn.Conv1d(features, hidden, kernel_size=3, padding=1, bias=False)
            self.norm = nn.BatchNorm1d(hidden, momentum=0.3)
            self.rnn = nn.RNN(hidden, hidden, nonlinearity="tanh", bidirectional=True)
            self.classifier = nn.Linear(2 * hidden, letters)

        def forward(self, x):
            x = nn.functional.hardtanh(self.norm(self.conv(x)), 0, 20)
            x, _ = self.rnn(x.permute(2, 0, 1).contiguous())
            return self.classifier(x).log_softmax(2)

    model = begin(Recognizer(4, 6, 5))
    frames, letters = normal(lib, 3, 4, 10), classes(lib, (3, 4), 4) + 1
    input_lengths, target_lengths = lib.full((3,), 10, dtype=lib.long), lib.tensor([4, 2, 3])
    criterion = nn.CTCLoss(blank=0, zero_infinity=True)
    optimizer = optim.Adamax(model.parameters(), lr=0.02)
    losses = []
    for _ in range(STEPS):
        loss = criterion(model(frames), letters, input_lengths, target_lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model
