"""What HDemucs has inside its innermost residual branches: an LSTM and an attention that prefers what is near.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), section 3.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 200  # that the LSTM reads at once
HOP = STEPS // 2
HEADS = 4
DECAYS = 4


class OverlappingLSTM(nn.Module):
    """A two-layer LSTM in both directions, beside a shortcut: (b, width, t) -> the same.

    What is longer than STEPS is read in pieces of STEPS, each begun half-way through the one before; the quarter at
    either end of a piece is dropped where another has it in its middle.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, t = x.shape
        # One piece as long as the whole, or ceil(t / HOP), of which the last is filled up with zeros.
        length = at_most(t, STEPS)
        pieces = 1 + at_most(t - length, 1) * ((t + HOP - 1) // HOP - 1)
        starts = HOP * torch.arange(pieces, device=x.device)
        filled = functional.pad(x, (0, HOP * (pieces - 1) + length - t))
        read = filled[
            :, :, starts[:, None] + torch.arange(length, device=x.device)
        ]  # (b, width, pieces, length)
        steps = read.permute(3, 0, 2, 1).reshape(length, batch * pieces, width)
        y: Tensor = self.linear(self.lstm(steps)[0]).reshape(length, batch, pieces, width)
        # Each time is taken from the piece in whose middle it is.
        time = torch.arange(t, device=x.device)
        piece = ((time - HOP // 2) // HOP).clamp(0, pieces - 1)
        return x + y.permute(1, 3, 2, 0)[:, :, piece, time - HOP * piece]


def at_most(n: int, limit: int) -> int:
    """The smaller one. While a graph for any length is traced, sizes are tensors."""
    return n.clamp(max=limit) if isinstance(n, Tensor) else min(n, limit)


class LocalAttention(nn.Module):
    """Attention to other times, less the further away, beside a shortcut: (b, width, t) -> the same.

    How much less, each time says for itself: its score for a distance d falls by d times a slope that it predicts.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.content, self.query, self.key = (nn.Conv1d(width, width, 1) for _ in range(3))
        self.query_decay = nn.Conv1d(width, HEADS * DECAYS, 1)
        self.proj = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, t = x.shape

        def heads(module: nn.Module) -> Tensor:
            """(b, HEADS, t, features)"""
            y: Tensor = module(x)
            return y.reshape(batch, HEADS, -1, t).transpose(2, 3)

        # Slopes of 1 to DECAYS, each with a weight between 0 and 1/2.
        decays = heads(self.query_decay).sigmoid() / 2
        slopes = decays @ (torch.arange(1, DECAYS + 1, device=x.device) / DECAYS**0.5)[:, None]
        times = torch.arange(t, device=x.device, dtype=torch.float32)
        distance = (times[:, None] - times).abs()
        # No time attends to itself.
        bias = torch.where(distance == 0, -1e4, -slopes * distance)
        seen = functional.scaled_dot_product_attention(
            heads(self.query), heads(self.key), heads(self.content), attn_mask=bias
        )
        y: Tensor = x + self.proj(seen.transpose(2, 3).reshape(batch, width, t))
        return y
