"""A language model of long short-term memory. Zaremba, Sutskever & Vinyals 2014, arXiv:1409.2329."""

from __future__ import annotations

from gpudl import Tensor, nn

__all__ = ["LSTMLanguageModel"]


class LSTMLanguageModel(nn.Module):
    """Logits of the token after each one, by an LSTM whose state carries on from call to call.

        y, hidden = lstm(dropout(embedding(tokens)), hidden),    logits = decoder(dropout(y))

    In training on a long text, each part goes on with the last part's state, cut off from its graph:
    `hidden = tuple(state.detach() for state in hidden)`.

    Args:
        vocab_size: tokens are 0 to vocab_size - 1.
        embedding_dim: features of a token.
        hidden_size: of the LSTM.
        num_layers: of the LSTM.
        dropout: the probability of 0 in embeddings, between layers and before the decoder, in training.
        tie_weights: the table of the tokens' vectors is the decoder's weight too; needs embedding_dim == hidden_size.
        batch_first: tokens are (N, L) and not (L, N).
    Shape: tokens (N, L) int64 or int32, hidden two of (num_layers, N, hidden_size), to logits (N, L, vocab_size) and
        hidden.
    Attributes:
        embedding: an Embedding, and decoder, a Linear: their weights drawn from U(-0.1, 0.1), the bias 0.
        lstm: an LSTM.
    Raises: ValueError for tie_weights with other sizes; what Embedding and LSTM raise.
    Source: Zaremba, Sutskever & Vinyals 2014, arXiv:1409.2329, whose "medium" sizes are the defaults; one table for
        both ends: Press & Wolf 2017, arXiv:1608.05859.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 650,
        hidden_size: int = 650,
        num_layers: int = 2,
        dropout: float = 0.5,
        tie_weights: bool = False,
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        if tie_weights and embedding_dim != hidden_size:
            sizes = f"{embedding_dim} and {hidden_size}"
            raise ValueError(f"LSTMLanguageModel: tie_weights needs embedding_dim == hidden_size, got {sizes}")
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        between = dropout if num_layers > 1 else 0.0
        self.lstm = nn.LSTM(embedding_dim, hidden_size, num_layers, batch_first=batch_first, dropout=between)
        self.decoder = nn.Linear(hidden_size, vocab_size)
        self.dropout = nn.Dropout(dropout)
        if tie_weights:
            self.decoder.weight = self.embedding.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.lstm.reset_parameters()
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        if self.decoder.weight is not self.embedding.weight:
            nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def init_hidden(self, batch: int) -> tuple[Tensor, Tensor]:
        """The state before the first token, zeros, which is also what forward begins with if it is given none."""
        shape, weight = (self.lstm.num_layers, batch, self.lstm.hidden_size), self.decoder.weight
        return weight.new_zeros(shape), weight.new_zeros(shape)

    def forward(
        self, tokens: Tensor, hidden: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits and the state after the last token, as in Shape."""
        y, hidden = self.lstm(self.dropout(self.embedding(tokens)), hidden)
        return self.decoder(self.dropout(y)), hidden
