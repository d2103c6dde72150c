"""The door that speaks as Fast.io's API does; what it decides is decided where all doors ask."""
