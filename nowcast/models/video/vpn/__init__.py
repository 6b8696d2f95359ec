"""VPN: full-size encoder, ConvLSTM, and a decoder that knows the pixels before each pixel, or does not."""
