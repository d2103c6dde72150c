"""Who is in a workspace, and as what."""
