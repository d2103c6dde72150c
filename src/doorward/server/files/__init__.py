"""Files and folders: a tree per workspace, with versions and a bin."""
