"""The names of other packages over Doorward's verifier: change one import, keep the code."""
