"""The one LightningModule, its data, losses and runs."""
