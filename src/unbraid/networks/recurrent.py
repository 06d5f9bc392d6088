"""The LSTM and the local attention inside the innermost residual branches of HDemucs.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), section 3.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 200  # longest sequence for the LSTM
HOP = STEPS // 2
HEADS = 4
DECAYS = 4


class OverlappingLSTM(nn.Module):
    """A bidirectional LSTM of two layers with a skip connection: (b, width, t) -> the same shape.

    A sequence longer than STEPS is read in pieces of STEPS that overlap by half. The result consists of the middle half
    of each piece, and of the outer quarters of the first and the last piece.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, t = x.shape
        # A single piece if it fits, otherwise ceil(t / HOP) pieces, the last one padded with zeros.
        length = at_most(t, STEPS)
        pieces = 1 + at_most(t - length, 1) * ((t + HOP - 1) // HOP - 1)
        starts = HOP * torch.arange(pieces, device=x.device)
        padded = functional.pad(x, (0, HOP * (pieces - 1) + length - t))
        # (b, width, pieces, length)
        cut = padded[:, :, starts[:, None] + torch.arange(length, device=x.device)]
        steps = cut.permute(3, 0, 2, 1).reshape(length, batch * pieces, width)
        y: Tensor = self.linear(self.lstm(steps)[0]).reshape(length, batch, pieces, width)
        # Take each time step from the piece that has it in its middle half.
        time = torch.arange(t, device=x.device)
        piece = ((time - HOP // 2) // HOP).clamp(0, pieces - 1)
        return x + y.permute(1, 3, 2, 0)[:, :, piece, time - HOP * piece]


def at_most(n: int, limit: int) -> int:
    """Return `n`, but at most `limit`. While the exporter traces, `n` is a tensor."""
    return n.clamp(max=limit) if isinstance(n, Tensor) else min(n, limit)


class LocalAttention(nn.Module):
    """Attention that decays with distance, with a skip connection: (b, width, t) -> the same shape.

    The network predicts a slope for each time step. The score of a time step at distance d is reduced by d times the
    slope.
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

        # The slope is a sum of 1 to DECAYS (over sqrt(DECAYS)), each with a weight between 0 and 1/2.
        decays = heads(self.query_decay).sigmoid() / 2
        slopes = decays @ (torch.arange(1, DECAYS + 1, device=x.device) / DECAYS**0.5)[:, None]
        times = torch.arange(t, device=x.device, dtype=torch.float32)
        distance = (times[:, None] - times).abs()
        # No time step attends to itself.
        bias = torch.where(distance == 0, -1e4, -slopes * distance)
        attended = functional.scaled_dot_product_attention(
            heads(self.query), heads(self.key), heads(self.content), attn_mask=bias
        )
        y: Tensor = x + self.proj(attended.transpose(2, 3).reshape(batch, width, t))
        return y
