"""Facts that leave the house: written with the change, read by whoever may see the workspace."""
