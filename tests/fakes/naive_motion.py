"""The warp of MotionRNN as one would first write it: loops and gathers, to hold ours against."""

import torch
import torch.nn.functional as F


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


def warp_by_gather(
    features: torch.Tensor, offsets: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor, side: int
) -> torch.Tensor:
    """Warp with four gathers over all channels, grids made anew, an enlarged map and a strided convolution."""
    batch, wide, rows, columns = features.shape
    many, border = side * side, 1
    padded = F.pad(features, (border,) * 4)
    high, broad = rows + 2 * border, columns + 2 * border
    reach = torch.arange(side) - side // 2
    step_y, step_x = torch.meshgrid(reach, reach, indexing="ij")
    base_y, base_x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    y = offsets[:, :many] + step_y.reshape(1, many, 1, 1) + base_y + border
    x = offsets[:, many:] + step_x.reshape(1, many, 1, 1) + base_x + border
    y, x = y.clamp(0, high - 1), x.clamp(0, broad - 1)
    top, left = y.detach().floor(), x.detach().floor()
    down, right = (top + 1).clamp(max=high - 1), (left + 1).clamp(max=broad - 1)
    flat = padded.flatten(2)
    total = features.new_zeros(batch, wide, many, rows, columns)
    for row, near_y in ((top, 1 - (y - top)), (down, y - top)):
        for column, near_x in ((left, 1 - (x - left)), (right, x - left)):
            index = (row * broad + column).long().flatten(1).unsqueeze(1).expand(-1, wide, -1)
            value = flat.gather(2, index).view(batch, wide, many, rows, columns)
            total = total + value * (near_y * near_x).unsqueeze(1)
    total = total * mask.unsqueeze(1).repeat(1, wide, 1, 1, 1)
    large = total.view(batch, wide, side, side, rows, columns).permute(0, 1, 4, 2, 5, 3)
    return F.conv2d(large.reshape(batch, wide, rows * side, columns * side), weight, stride=side)
