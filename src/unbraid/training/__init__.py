"""Train the bundled network on folders of stems, and calibrate and blend its checkpoints."""
