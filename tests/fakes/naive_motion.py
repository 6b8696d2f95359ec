"""The gathering of MotionRNN's warp pixel by pixel, to hold ours against."""

import torch


def gather_by_hand(features: torch.Tensor, offsets: torch.Tensor, side: int) -> torch.Tensor:
    """Read every neighbour with four integer reads, pixel by pixel."""
    batch, wide, rows, columns = features.shape
    many = side * side
    found = features.new_zeros(batch, wide, many, rows, columns)
    for b in range(batch):
        for n in range(many):
            for i in range(rows):
                for j in range(columns):
                    y = i + n // side - side // 2 + offsets[b, n, i, j].item()
                    x = j + n % side - side // 2 + offsets[b, many + n, i, j].item()
                    found[b, :, n, i, j] = _bilinear(features[b], y, x)
    return found


def _bilinear(image: torch.Tensor, y: float, x: float) -> torch.Tensor:
    top, left = int(y // 1), int(x // 1)
    total = image.new_zeros(image.shape[0])
    for row, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
            if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                total += weight_y * weight_x * image[:, row, column]
    return total
