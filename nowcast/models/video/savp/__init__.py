"""SAVP-VAE: frames moved by kernels, with a latent vector a step that training reads from the truth."""
