"""The ConvLSTM of CDNA, VPN, MCNet and STMFANet, by hand."""

import torch

from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState


def test_zero_weights_by_hand():
    layer = BasicConvLSTM(2, 3, 5)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    cell = torch.randn(1, 3, 4, 4)
    out = layer(torch.randn(1, 2, 4, 4), BasicLSTMState(cell, torch.randn(1, 3, 4, 4)))
    torch.testing.assert_close(out.cell, 0.7310586 * cell)
    torch.testing.assert_close(out.hidden, 0.5 * torch.tanh(out.cell))


@torch.no_grad()
def test_a_gate_at_a_time():
    layer = BasicConvLSTM(1, 1, 1)
    layer.gates.weight.zero_()
    layer.gates.weight[1, 0] = 1.0  # the candidate reads the input
    layer.gates.bias.copy_(torch.tensor([100.0, 0.0, -100.0, 100.0]))  # input and output open, forget shut
    out = layer(torch.full((1, 1, 1, 1), 0.5), BasicLSTMState(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1)))
    assert abs(float(out.cell) - float(torch.tanh(torch.tensor(0.5)))) < 1e-6
    assert abs(float(out.hidden) - float(torch.tanh(out.cell))) < 1e-6


def test_count():
    assert sum(p.numel() for p in BasicConvLSTM(32, 64, 5).parameters()) == 25 * 96 * 256 + 256
