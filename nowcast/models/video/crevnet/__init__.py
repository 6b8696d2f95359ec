"""CrevNet: a reversible autoencoder around a reversible recurrent module, on packets of three frames."""
